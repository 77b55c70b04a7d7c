// The page with a deployed CloudWatch dashboard: its own widgets on their grid,
// with what the local cloud has measured.
import { $, awsTime, html } from "./dom.js";
import { format, plot, sparkline } from "./graph.js";
import { markdown } from "./markdown.js";

// Every two seconds will do: at the default speed that is two of AWS's minutes.
const pause = 2_000;
let name = decodeURIComponent(location.hash.slice(1));
// widgets are the elements of the widgets, in the order of the definition, and
// what they show.
let widgets = [];

$("#name").addEventListener("change", ({ target }) => {
  name = location.hash = target.value;
  refresh();
});
addEventListener("resize", () => widgets.forEach(({ draw }) => draw()));
tick();

async function tick() {
  if (!document.hidden) await refresh();
  setTimeout(tick, pause);
}

async function refresh() {
  try {
    let answer = await fetch(`dashboards?name=${encodeURIComponent(name)}`);
    if (answer.status === 404) {
      name = "";
      answer = await fetch("dashboards");
    }
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    render(await answer.json());
    $("#connection").hidden = true;
  } catch (error) {
    const notice = $("#connection");
    if (notice.hidden) notice.textContent = `The local cloud does not answer (${error.message}). What is below is what it said last.`;
    notice.hidden = false;
  }
}

function render(page) {
  $("#clock").textContent = `AWS time ${awsTime(page.now)}, ${page.speed} times as fast as yours`;
  choose(page);
  if (page.names.length === 0) {
    widgets = [];
    $("#grid").replaceChildren(html("p", { class: "empty" }, "No dashboard is deployed. `pulumi config set dashboardEnabled true` adds one to the stack."));
    return;
  }
  // Reading order, which is also that of a narrow page.
  const sorted = page.widgets.toSorted((a, b) => (a.y ?? Infinity) - (b.y ?? Infinity) || (a.x ?? 0) - (b.x ?? 0));
  if (sorted.length !== widgets.length || sorted.some((widget, i) => shape(widget) !== widgets[i].shape)) {
    widgets = sorted.map(build);
    $("#grid").replaceChildren(...widgets.map(({ element }) => element));
  }
  sorted.forEach((widget, i) => widgets[i].show(widget));
}

function choose({ names, name }) {
  $("#choice").hidden = names.length < 2;
  const select = $("#name");
  if (select.options.length !== names.length || names.some((each, i) => select.options[i].value !== each)) {
    select.replaceChildren(...names.map((each) => html("option", { value: each }, each)));
  }
  select.value = name;
}

// shape is what a widget is, apart from its data.
const shape = ({ type, x, y, width, height, title, markdown, graph }) => JSON.stringify([type, x, y, width, height, title, markdown, graph?.view]);

// build makes the element of a widget, empty.
function build(widget) {
  const { type, title, graph } = widget;
  const content = html("div", { class: "content" });
  const element = html("section", { class: `widget ${type === "text" ? "words" : "card"} ${graph?.view === "singleValue" ? "single" : ""} ${type}` },
    ...(title ? [html("h3", {}, title)] : []), content);
  for (const [property, value] of Object.entries({ column: widget.x === null ? "auto" : widget.x + 1, row: widget.y === null ? "auto" : widget.y + 1, width: widget.width, height: widget.height })) {
    element.style.setProperty(`--${property}`, value);
  }
  const built = { element, shape: shape(widget), data: "", draw: () => {} };
  built.show = (now) => {
    const data = JSON.stringify(now);
    if (data === built.data) return;
    built.data = data;
    built.draw = () => fill(content, now);
    built.draw();
  };
  return built;
}

function fill(content, widget) {
  if (widget.problem) {
    content.replaceChildren(html("p", { class: "empty" }, widget.problem));
  } else if (widget.type === "text") {
    content.replaceChildren(...markdown(widget.markdown));
  } else if (widget.type === "alarm") {
    content.replaceChildren(html("ul", { class: "states" }, ...(widget.alarms ?? []).map(state)));
  } else if (widget.graph.view === "singleValue") {
    content.replaceChildren(html("div", { class: "values" }, ...widget.graph.lines.map((line) => value(line))));
    if (widget.graph.sparkline) content.append(sparkline(widget.graph));
  } else {
    plot(content, widget.graph, widget.title);
  }
}

const stateNames = { OK: ["OK", "good"], ALARM: ["Alarm", "bad"], INSUFFICIENT_DATA: ["No data", ""], MISSING: ["Not there", "warn"] };

function state({ name, state, reason }) {
  const [text, style] = stateNames[state] ?? [state, ""];
  return html("li", { class: `state ${style}`, title: reason }, html("strong", {}, text), " ", html("span", {}, name));
}

function value({ label, values }) {
  const newest = values.findLast((each) => each !== null);
  return html("div", { class: "value" },
    newest === undefined ? html("span", { class: "empty" }, "no data yet") : html("strong", {}, format(newest)),
    html("span", { class: "muted" }, label));
}
