// The page about the running local cloud: asks how things stand once a second.
import { offer } from "./ask.js";
import { bars, longest, steps } from "./chart.js";
import { $, awsTime, html } from "./dom.js";

const classes = ["s-200", "s-204", "s-4xx", "s-429", "s-503", "s-5xx"];
let samples = [];

refresh();

async function refresh() {
  try {
    const answer = await fetch(`state?after=${samples.at(-1)?.at ?? 0}`);
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    render(await answer.json());
    $("#connection").hidden = true;
  } catch (error) {
    const notice = $("#connection");
    if (notice.hidden) notice.textContent = `The local cloud does not answer (${error.message}). What is below is what it said last.`;
    notice.hidden = false;
  }
  setTimeout(refresh, 1_000);
}

function render(state) {
  samples = samples.concat(state.samples).filter(({ at }, _, all) => at >= all.at(-1).at - longest);
  $("#clock").textContent = `AWS time ${awsTime(state.now)}, ${state.speed} times as fast as yours`;
  offer(state.apis ?? []);
  renderFaults(state.faults ?? []);
  renderRoutes(state.apis ?? [], state.routes ?? []);
  renderCapacity(state.endpoints ?? [], state.functions ?? []);
  renderCharts();
  renderAnswers(state.answers);
  renderQueues(state.queues ?? [], state.jobs ?? {});
  renderAlarms(state.alarms ?? []);
  renderActivities(state.activities ?? []);
}

// put replaces an element's children, unless they would look the same: what
// does not change keeps its selection and its scroll position.
function put(element, children) {
  const replacement = element.cloneNode(false);
  replacement.append(...children);
  if (!replacement.isEqualNode(element)) element.replaceChildren(...replacement.childNodes);
}

const empty = (text, name = "li") => html(name, { class: "empty" }, text);

function renderFaults(faults) {
  $("#faults").hidden = faults.length === 0;
  put($("#faults ul"), faults.map((fault) => html("li", {}, fault)));
}

// renderRoutes lists what the form is not for.
function renderRoutes(apis, routes) {
  $("#routes").hidden = apis.length > 0 && routes.length === 0;
  $("#no-routes").hidden = routes.length > 0;
  $("#how").hidden = routes.length === 0;
  put($("#routes tbody"), routes.map(({ api, method, url, summary }) => html("tr", {},
    html("td", {}, api), html("td", {}, method), html("td", {}, url, ...(summary ? [html("div", { class: "muted" }, summary)] : [])))));
}

// renderCapacity shows what there is of the two: an endpoint, and functions.
function renderCapacity(endpoints, functions) {
  $("#endpoint-charts").hidden = endpoints.length === 0;
  $("#functions").hidden = functions.length === 0;
  $("#endpoints").hidden = endpoints.length === 0 && functions.length > 0;
  renderEndpoints(endpoints);
  put($("#functions tbody"), functions.map(functionRow));
}

function functionRow({ name, environments, running, inits, invocations, errors, throttles, aliases = {}, provisioned = [] }) {
  const notes = [
    ...Object.entries(aliases).map(([alias, version]) => `${alias} is version ${version}`),
    ...provisioned.filter(({ failure }) => failure).map(({ qualifier, failure }) => `${qualifier} is not provisioned in full: ${failure}`),
  ];
  const kept = provisioned.map(({ allocated, requested, inUse }) => `${allocated} of ${requested}, ${inUse} in use`);
  return html("tr", {},
    html("td", {}, html("strong", {}, name), ...notes.map((note) => html("div", { class: "muted" }, note))),
    ...[environments, running, kept.join("; ") || "–", inits, invocations, errors, throttles].map((text) => html("td", { class: "number" }, text)));
}

function renderEndpoints(endpoints) {
  const shown = endpoints.map((endpoint) => {
    const copies = (endpoint.components ?? []).flatMap((component) => (component.copies ?? []).map((copy) => ({ ...copy, component: component.name })));
    const instances = endpoint.instances ?? [];
    const desired = (endpoint.components ?? []).map(({ name, desired }) => `${name}: ${plural(desired, "copy", "copies")} desired`);
    const machines = instances.map(({ id, state }) => machine(id, state, copies.filter(({ instance }) => instance === id)));
    const waiting = copies.filter(({ instance }) => !instances.some(({ id }) => id === instance));
    if (waiting.length > 0) machines.push(machine("no instance yet", "Waiting", waiting));
    const asleep = machines.length > 0 ? [] : [empty("Asleep: no instance, nothing to be billed for. A request now gets 503 and wakes the model.", "p")];
    return html("div", { class: "endpoint" },
      html("h3", {}, endpoint.name),
      html("p", { class: "muted" }, [endpoint.instanceType, ...desired].join(" · ")),
      html("div", { class: "machines" }, ...machines), ...asleep);
  });
  put($("#endpoints"), shown.length > 0 ? shown : [empty("No endpoint is deployed. `make local` deploys one.", "p")]);
}

function machine(name, state, copies) {
  return html("div", { class: state === "InService" ? "machine" : "machine pending" },
    html("strong", {}, name), " ", html("span", { class: state === "InService" ? "badge good" : "badge" }, state),
    html("ul", { "aria-label": `Copies on ${name}` }, ...copies.map((copy) =>
      html("li", { class: copy.state === "InService" ? "copy ready" : "copy", title: copy.component },
        `copy ${copy.number} · ${copy.state}${copy.outstanding > 0 ? ` · ${plural(copy.outstanding, "request", "requests")}` : ""}`))));
}

const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

function renderCharts() {
  const last = samples.at(-1);
  if (last === undefined) return;
  steps($("#instances-chart"), samples, {
    title: `Instances over time; now ${last.instances} in service, ${last.provisioning} coming or going`,
    areas: [{ class: "fill-1", value: (s) => s.instances }, { class: "fill-2", value: (s) => s.provisioning }],
  });
  steps($("#copies-chart"), samples, {
    title: `Copies over time; now ${last.copies} in service, ${last.starting} coming or going, ${last.desired} desired`,
    areas: [{ class: "fill-1", value: (s) => s.copies }, { class: "fill-2", value: (s) => s.starting }],
    line: { class: "desired", value: (s) => s.desired },
  });
  steps($("#environments-chart"), samples, {
    title: `Environments over time; now ${last.busy} running, ${last.idle} ready or starting, ${last.kept} to be provisioned`,
    areas: [{ class: "fill-1", value: (s) => s.busy }, { class: "fill-2", value: (s) => s.idle }],
    line: { class: "desired", value: (s) => s.kept },
  });
  bars($("#requests-chart"), samples, { title: "Answers over time by status; the table has the totals", classes, classOf });
}

function classOf(status) {
  if (classes.includes(`s-${status}`)) return `s-${status}`;
  return status < 300 ? "s-200" : status < 500 ? "s-4xx" : "s-5xx";
}

const meaning = { 200: "answered", 204: "preflight" };

function renderAnswers(answers) {
  const rows = answers.map(({ status, errorType, count }) => html("tr", {},
    html("td", {}, html("i", { class: `swatch ${classOf(status)}` }), status),
    html("td", {}, errorType || meaning[status] || ""),
    html("td", { class: "number" }, count)));
  put($("#requests tbody"), rows.length > 0 ? rows : [html("tr", {}, html("td", { colspan: 3, class: "empty" }, "No requests so far."))]);
}

function renderQueues(queues, jobs) {
  $("#queues").hidden = queues.length === 0;
  if (queues.length === 0) return;
  const last = samples.at(-1);
  steps($("#queue-chart"), samples, {
    title: `Messages over time; now ${last.visible} visible, ${last.held} in flight or waiting`,
    areas: [{ class: "fill-1", value: (s) => s.visible }, { class: "fill-2", value: (s) => s.held }],
  });
  put($("#queue-rows"), queues.map(({ name, visible, inFlight, delayed, oldestSeconds }) => html("tr", {},
    html("td", {}, name),
    html("td", { class: "number" }, visible),
    html("td", { class: "number" }, inFlight + delayed),
    html("td", { class: "number" }, visible + inFlight + delayed === 0 ? "–" : `${Math.round(oldestSeconds)} s`))));
  const rows = Object.entries(jobs).map(([status, count]) => html("tr", {}, html("td", {}, status), html("td", { class: "number" }, count)));
  put($("#job-rows"), rows.length > 0 ? rows : [html("tr", {}, html("td", { colspan: 2, class: "empty" }, "No job so far."))]);
}

const stateNames = { OK: ["OK", "badge good"], ALARM: ["ALARM", "badge bad"], INSUFFICIENT_DATA: ["Insufficient data", "badge"] };

function renderAlarms(alarms) {
  const items = alarms.map(({ name, state, reason, since, createdByAWS }) => {
    const [text, style] = stateNames[state] ?? [state, "badge"];
    return html("li", {},
      html("span", { class: style }, text), " ", html("strong", {}, name),
      html("div", { class: "muted" }, `since ${awsTime(since)}${createdByAWS ? " · made by target tracking" : ""}`),
      html("div", {}, reason));
  });
  put($("#alarms ul"), items.length > 0 ? items : [empty("No alarm is registered. An endpoint that sleeps would not be woken.")]);
}

function renderActivities(activities) {
  const items = activities.toReversed().map(({ time, cause, description }) => html("li", {},
    html("strong", {}, description), html("div", { class: "muted" }, `${awsTime(time)} · ${cause}`)));
  put($("#activities ol"), items.length > 0 ? items : [empty("Nothing has been scaled so far.")]);
}
