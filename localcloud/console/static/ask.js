// The form: sends the request with the client kit, shows how the wait goes on,
// and draws the answer.
import { infer, runJob } from "./calling.js";
import { $, html } from "./dom.js";
import { explain } from "./explain.js";
import { draw, ends } from "./plot.js";

const form = $("#ask form");
const submit = form.querySelector("[type=submit]");
const [stop, wait, progress, countdown, outcome] = ["#stop", "#wait", "#progress", "#countdown", "#outcome"].map($);
let asking;
let routes = [];

form.url.addEventListener("input", offerJob);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
stop.addEventListener("click", () => asking?.abort());
$("#fill").addEventListener("click", fillKey);

// offer fills in the URL unless there is one, and lists the others. The form is
// there for as long as there is an API that takes its request.
export function offer(apis) {
  routes = apis;
  for (const part of [".skip", "#ask", "#answer"]) $(part).hidden = apis.length === 0;
  const list = $("#apis");
  const offered = [...list.children].map((option) => option.value);
  if (apis.length === offered.length && apis.every(({ url }, i) => url === offered[i])) return;
  list.replaceChildren(...apis.map(({ url, name, stage }) => html("option", { value: url }, `${name}, stage ${stage}`)));
  // A URL that was offered and is gone is replaced; one that was typed is not.
  if (form.url.value === "" || offered.includes(form.url.value)) form.url.value = apis[0]?.url ?? "";
  offerJob();
}

// jobsURL is where the chosen API takes jobs; undefined where it has no queue.
const jobsURL = () => routes.find(({ url }) => url === form.url.value)?.jobsUrl || undefined;

function offerJob() {
  $("#job-choice").hidden = jobsURL() === undefined;
}

async function fillKey() {
  const answer = await fetch("key", { method: "POST", body: new URLSearchParams({ url: form.url.value }) });
  if (answer.ok) {
    form.key.value = (await answer.json()).key;
    say("", "The key is filled in.");
  } else {
    say("warn", "No key is known for this URL. Deploy a stack first, or choose its URL.");
  }
}

async function ask() {
  const request = {
    xAxis: form.xAxis.value,
    yAxis: form.yAxis.value,
    songs: form.songs.value.split("\n").filter((line) => line.trim() !== "").map((line, i) => {
      const [title, ...artist] = line.split("/").map((part) => part.trim());
      return { id: String(i + 1), title, artist: artist.join("/") };
    }),
  };
  asking = new AbortController();
  submit.disabled = true;
  stop.hidden = false;
  say("", "Asking …");
  const began = Date.now();
  const ticker = setInterval(showCountdown, 100);
  try {
    const asJob = form.asJob.checked && jobsURL() !== undefined;
    const options = { url: asJob ? jobsURL() : form.url.value, key: form.key.value, body: request, signal: asking.signal, onWait };
    const answer = await (asJob ? runJob(options) : infer(options));
    show(request, answer);
    say("good", `200: the model answered, ${seconds(Date.now() - began)} after ${asJob ? "the job was handed in" : "the first attempt"}.`);
  } catch (error) {
    sayError(error);
  } finally {
    clearInterval(ticker);
    wait.hidden = true;
    submit.disabled = false;
    stop.hidden = true;
    asking = undefined;
  }
}

let next;

function onWait({ attempt, reason, wait: duration }) {
  next = { from: Date.now(), duration, attempt: attempt + 1 };
  wait.hidden = false;
  showCountdown();
  const what = reason.code === "NotFinished" ? reason.message : `${named(reason)}:`;
  say("warn", `${what} ${explain(reason)} Asking again in ${seconds(duration)}${reason.retryAfter ? ", as Retry-After says" : ""}.`);
}

// showCountdown moves on its own, outside of the live region: a screen reader
// is told about attempts, not about tenths of seconds.
function showCountdown() {
  if (wait.hidden) return;
  const passed = Date.now() - next.from;
  progress.value = Math.min(passed / next.duration, 1);
  countdown.textContent = passed < next.duration
    ? `Attempt ${next.attempt} in ${seconds(next.duration - passed)}`
    : `Attempt ${next.attempt} is under way`;
}

function sayError(error) {
  if (error.name === "AbortError") return say("", "Stopped.");
  if (error.name !== "InferError") return say("bad", `The answer cannot be read: ${error.message}`);
  const id = error.requestId ? `\nRequest ${error.requestId}` : "";
  say("bad", `${named(error)}: ${explain(error)}${id}`);
}

const named = ({ status, code }) => [status || "", code].filter(Boolean).join(" ");

const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;

function say(tone, text) {
  outcome.className = tone;
  outcome.textContent = text;
}

function show(request, answer) {
  const songs = answer.songs.map(({ id, x, y }) => ({ ...request.songs.find((song) => song.id === id), x, y }));
  $("#no-answer").hidden = true;
  $("#map").replaceChildren(draw(request.xAxis, request.yAxis, songs));
  $("#positions").hidden = false;
  $("#x-name").textContent = ends(request.xAxis).join(" → ");
  $("#y-name").textContent = ends(request.yAxis).join(" → ");
  $("#positions tbody").replaceChildren(...songs.map((song, i) => html("tr", {},
    html("td", {}, i + 1),
    html("td", {}, `${song.title} / ${song.artist}`),
    html("td", { class: "number" }, song.x.toFixed(3)),
    html("td", { class: "number" }, song.y.toFixed(3)),
  )));
}
