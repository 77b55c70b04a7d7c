// The two kinds of charts over time: steps, for how many there are, and stacked
// bars, for how many came.
import { svg } from "./dom.js";

const height = 150;
const margin = { left: 26, right: 8, top: 8, bottom: 20 };
// The most and the least of the wall clock's time that is shown, in milliseconds.
export const longest = 300_000;
const shortest = 60_000;
const bucket = 5_000;

// steps draws areas stacked on each other, the values of each sample holding
// until the next sample. Series are {class, value(sample)}; a line is drawn over
// them and not stacked.
export function steps(container, samples, { title, areas, line }) {
  const most = Math.max(1, ...samples.map((s) => Math.max(sum(areas, s), line ? line.value(s) : 0)));
  const frame = makeFrame(container, samples, title, most);
  const bases = samples.map(() => 0);
  for (const area of areas) {
    const tops = samples.map((s, i) => bases[i] + area.value(s));
    if (tops.some((top, i) => top > bases[i])) {
      const upper = outline(samples, tops, frame);
      const lower = outline(samples, bases, frame).reverse();
      frame.root.append(svg("polygon", { class: area.class, points: [...upper, ...lower].join(" ") }));
    }
    tops.forEach((top, i) => (bases[i] = top));
  }
  if (line && samples.length > 0) {
    const points = outline(samples, samples.map(line.value), frame).join(" ");
    frame.root.append(svg("polyline", { class: line.class, points }));
  }
  container.replaceChildren(frame.root);
}

// bars draws one stacked bar per bucket of time. classes gives the order of a
// bar's parts, and classOf the part that a status belongs to.
export function bars(container, samples, { title, classes, classOf }) {
  const buckets = new Map();
  for (const sample of samples) {
    for (const [status, count] of Object.entries(sample.answers ?? {})) {
      const start = Math.floor(sample.at / bucket) * bucket;
      const parts = buckets.get(start) ?? {};
      parts[classOf(status)] = (parts[classOf(status)] ?? 0) + count;
      buckets.set(start, parts);
    }
  }
  const most = Math.max(1, ...[...buckets.values()].map((parts) => Object.values(parts).reduce((a, b) => a + b)));
  const frame = makeFrame(container, samples, title, most);
  for (const [start, parts] of buckets) {
    const left = Math.max(frame.x(start), margin.left);
    const width = Math.max(Math.min(frame.x(start + bucket), frame.right) - left - 1, 1);
    let base = 0;
    for (const part of classes.filter((name) => parts[name])) {
      const top = frame.y(base + parts[part]);
      frame.root.append(svg("rect", { class: part, x: left, y: top, width, height: frame.y(base) - top }));
      base += parts[part];
    }
  }
  container.replaceChildren(frame.root);
}

const sum = (areas, sample) => areas.reduce((total, area) => total + area.value(sample), 0);

// outline is a line of steps, as points "x,y".
function outline(samples, values, { x, y }) {
  const points = [];
  samples.forEach((sample, i) => {
    if (i > 0 && values[i] !== values[i - 1]) points.push(`${x(sample.at)},${y(values[i - 1])}`);
    if (i === 0 || i === samples.length - 1 || values[i] !== values[i - 1]) points.push(`${x(sample.at)},${y(values[i])}`);
  });
  return points;
}

// makeFrame makes the svg with its scales, grid and labels, without its data.
function makeFrame(container, samples, title, most) {
  const width = Math.max(container.clientWidth, 240);
  const end = samples.at(-1)?.at ?? Date.now();
  const span = Math.min(Math.max(end - (samples[0]?.at ?? end), shortest), longest);
  const right = width - margin.right;
  const x = (at) => round(right - ((end - at) / span) * (width - margin.left - margin.right));
  const y = (value) => round(height - margin.bottom - (value / most) * (height - margin.top - margin.bottom));
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", "aria-label": title });
  const step = Math.ceil(most / 4);
  for (let value = 0; value <= most; value += step) {
    root.append(
      svg("line", { class: value === 0 ? "axis-line" : "grid-line", x1: margin.left, x2: right, y1: y(value), y2: y(value) }),
      svg("text", { x: margin.left - 6, y: y(value) + 4, "text-anchor": "end" }, value),
    );
  }
  for (const { at, label } of ticks(samples, end, span)) {
    root.append(svg("text", { x: x(at), y: height - 5, "text-anchor": "middle" }, label));
  }
  return { root, x, y, right };
}

// ticks are round AWS times, at most six of them, where they lie on the wall
// clock. How fast AWS time runs is read off the samples.
function ticks(samples, end, span) {
  if (samples.length < 2) return [];
  const [first, last] = [samples[0], samples.at(-1)];
  const speed = (last.aws - first.aws) / (last.at - first.at);
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440].map((m) => m * 60_000).find((s) => (span * speed) / s <= 6);
  if (!(speed > 0) || step === undefined) return [];
  const found = [];
  for (let aws = Math.floor(last.aws / step) * step; ; aws -= step) {
    const at = end - (last.aws - aws) / speed;
    if (at < end - span * 0.96) return found;
    if (at < end - span * 0.04) found.push({ at, label: new Date(aws).toISOString().slice(11, 16) });
  }
}

const round = (number) => Math.round(number * 10) / 10;
