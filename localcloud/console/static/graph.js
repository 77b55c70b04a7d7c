// Graphs over time: lines, or areas on top of each other, with lines at values,
// a legend with the newest values, and all values of the moment that is pointed at.
import { html, svg } from "./dom.js";
import { follow } from "./pointer.js";

const margin = { left: 40, right: 10, top: 8, bottom: 20 };
// gap is what lies between a label and the graph.
const gap = 6;
const ruler = document.createElement("canvas").getContext("2d");
const palette = ["#3a78cf", "#d98a00", "#2e9e5b", "#8457c2", "#d13a32", "#1d9aa8", "#7d8797"];

// Colours are checked where the definition is; here they only become attributes.
const colorOf = (line, i) => line.color ?? palette[i % palette.length];

// format writes a number as short as it can be read.
export function format(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${trim((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${trim((value / 1e3).toFixed(1))}k`;
  if (size >= 100 || Number.isInteger(value)) return trim(value.toFixed(1));
  if (size >= 0.01) return trim(value.toFixed(3 - Math.ceil(Math.log10(size)) || 2));
  return trim(value.toFixed(6));
}

const trim = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);

// plot draws a graph into an element, whose size it takes.
export function plot(container, graph, title) {
  let area = container.querySelector(".plot");
  if (!area) {
    area = html("div", { class: "plot" });
    container.replaceChildren(area, html("ul", { class: "legend" }));
  }
  const empty = graph.lines.every(({ values }) => values.every((value) => value === null));
  container.querySelector(".legend").replaceChildren(...graph.lines.map(legend));
  const frame = makeFrame(area, graph, empty, title);
  if (!empty) (graph.stacked ? areas : lines)(frame, graph);
  notes(frame, graph);
  area.replaceChildren(frame.root);
  if (empty) area.append(html("p", { class: "nothing empty" }, "no data yet"));
  else follow(area, frame, graph, colorOf);
}

function legend(line, i) {
  const newest = line.values.findLast((value) => value !== null);
  return html("li", {}, swatch(colorOf(line, i)), line.label, " ", html("b", {}, newest === undefined ? "–" : format(newest)));
}

export function swatch(color) {
  const root = svg("svg", { class: "key", viewBox: "0 0 10 10", "aria-hidden": "true" });
  root.append(svg("rect", { width: 10, height: 10, rx: 2, fill: color }));
  return root;
}

// makeFrame makes the svg with its scales, grid and labels.
function makeFrame(area, graph, empty, title) {
  const { start, end, period } = graph;
  const width = Math.max(area.clientWidth, 160);
  const height = Math.max(area.clientHeight, 90);
  const [least, most, step] = scale(graph, empty, height);
  const grid = [];
  for (let i = 0; least + i * step <= most + step / 1e6; i++) grid.push(least + i * step);
  const left = Math.max(margin.left, widest(grid.map(format)) + gap);
  const right = width - margin.right;
  const bottom = height - margin.bottom;
  const x = (at) => round(left + ((at - start) / Math.max(end - start, 1)) * (right - left));
  const y = (value) => round(bottom - ((Math.min(Math.max(value, least), most) - least) / (most - least)) * (bottom - margin.top));
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${title}: ${summary(graph)}` });
  grid.forEach((value, i) => root.append(
    svg("line", { class: i === 0 ? "axis-line" : "grid-line", x1: left, x2: right, y1: y(value), y2: y(value) }),
    svg("text", { class: "amount", x: left - gap, y: y(value) + 4, "text-anchor": "end" }, format(value))));
  for (const { at, label } of ticks(start, end, right - left)) {
    root.append(svg("text", { x: x(at), y: height - 5, "text-anchor": "middle" }, label));
  }
  if (graph.axis.label) root.append(svg("text", { class: "unit", x: left + 4, y: margin.top + 8 }, graph.axis.label));
  return { root, x, y, start, period, right, bottom, top: margin.top, left };
}

// widest is the width of the widest label, in the size that style.css gives it.
function widest(labels) {
  ruler.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return Math.ceil(Math.max(...labels.map((label) => ruler.measureText(label).width)));
}

// summary says the newest values, for those who cannot see the graph.
function summary({ lines }) {
  return lines.map(({ label, values }) => {
    const newest = values.findLast((value) => value !== null);
    return `${label} ${newest === undefined ? "no data yet" : format(newest)}`;
  }).join(", ");
}

// scale returns the ends of the vertical axis and the step of its grid.
function scale({ lines, stacked, axis, annotations }, empty, height) {
  const values = stacked && !empty ? tops(lines).at(-1) : lines.flatMap((line) => line.values.filter((value) => value !== null));
  const marked = (annotations ?? []).map(({ value }) => value);
  const least = axis.min ?? Math.min(0, ...values, ...marked);
  const most = axis.max ?? Math.max(...values, ...marked);
  const span = most > least ? (most - least) * 1.05 : 1;
  const count = Math.max(2, Math.min(5, Math.floor(height / 45)));
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => span / each <= count);
  const bottom = axis.min ?? Math.floor(least / step) * step;
  return [bottom, axis.max ?? bottom + Math.ceil((least + span - bottom) / step - 1e-9) * step, step];
}

// tops are, for each line, the sums of its values and those below.
function tops(lines) {
  const sums = lines[0].values.map(() => 0);
  return lines.map(({ values }) => values.map((value, i) => (sums[i] += value ?? 0)));
}

function lines({ root, x, y, start, period }, graph) {
  graph.lines.forEach((line, i) => {
    const color = colorOf(line, i);
    // The first is wider, so that one which lies on it hides only its middle.
    const width = i === 0 && graph.lines.length > 1 ? 2.8 : 1.6;
    for (const run of runs(line.values)) {
      const points = run.map(([at, value]) => `${x(start + at * period)},${y(value)}`);
      if (points.length === 1) {
        const [cx, cy] = points[0].split(",");
        root.append(svg("circle", { class: "lone", cx, cy, r: 3.5, fill: color }));
      } else {
        root.append(svg("polyline", { class: "curve", points: points.join(" "), stroke: color, "stroke-width": width }));
      }
    }
  });
}

// runs are the stretches of values without a gap, as [index, value].
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null) return;
    if (i === 0 || values[i - 1] === null) found.push([]);
    found.at(-1).push([i, value]);
  });
  return found;
}

function areas({ root, x, y, start, period }, graph) {
  let below = graph.lines[0].values.map(() => 0);
  tops(graph.lines).forEach((sums, i) => {
    if (sums.some((sum, at) => sum > below[at])) {
      const upper = sums.map((sum, at) => `${x(start + at * period)},${y(sum)}`);
      const lower = below.map((sum, at) => `${x(start + at * period)},${y(sum)}`).reverse();
      root.append(svg("polygon", { class: "area", points: [...upper, ...lower].join(" "), fill: colorOf(graph.lines[i], i) }));
    }
    below = sums;
  });
}

// notes draws the lines at values, with labels that do not cover each other.
function notes({ root, y, left, right }, { annotations }) {
  const taken = [];
  for (const { label, value, color } of (annotations ?? []).toSorted((a, b) => b.value - a.value)) {
    let at = y(value) - 4;
    while (taken.some((other) => Math.abs(other - at) < 12)) at += 3;
    taken.push(at);
    root.append(svg("line", { class: "note", x1: left, x2: right, y1: y(value), y2: y(value), stroke: color ?? "currentColor" }));
    if (label) root.append(svg("text", { class: "note-label", x: right - 4, y: Math.max(at, 14), "text-anchor": "end" }, label));
  }
}

// ticks are round times with their labels, as many as there is room for.
function ticks(start, end, width) {
  const count = Math.max(2, Math.floor(width / 80));
  const minutes = [1, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080].find((each) => (end - start) / (each * 60_000) <= count) ?? 40320;
  const step = minutes * 60_000;
  const found = [];
  for (let at = Math.ceil((start + step / 10) / step) * step; at < end - step / 10; at += step) {
    const text = new Date(at).toISOString();
    found.push({ at, label: minutes >= 1440 ? text.slice(5, 10) : text.slice(11, 16) });
  }
  return found;
}

// sparkline is a small graph of the same lines, without any words.
export function sparkline(graph) {
  const root = svg("svg", { class: "sparkline", viewBox: "0 0 200 36", preserveAspectRatio: "none", "aria-hidden": "true" });
  const most = Math.max(1e-9, ...graph.lines.flatMap(({ values }) => values.map((value) => value ?? 0)));
  graph.lines.forEach((line, i) => {
    for (const run of runs(line.values)) {
      const points = run.map(([at, value]) => `${round((at / Math.max(line.values.length - 1, 1)) * 200)},${round(34 - (value / most) * 32)}`);
      root.append(svg("polyline", { class: "curve", points: points.join(" "), stroke: colorOf(line, i), "stroke-width": 1.6 }));
    }
  });
  return root;
}

const round = (number) => Math.round(number * 10) / 10;
