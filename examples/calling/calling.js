// A client of an inference API that scales to zero, for browsers: it waits while
// the model starts, backs off when it is told to, and gives up in time. It does
// what calling.go does. An ES module without dependencies; copy it.

const firstBackOff = 1_000;
const maxBackOff = 30_000;
const maxSpread = 5_000;
// Attempts in a row that end in trouble which more of the same may not cure.
const tries = 3;

// InferError is an answer of the API other than success (status is its HTTP
// status), no answer at all (status 0, code "NoAnswer"), or the end of the time
// (code "DeadlineExceeded"; cause is why the last attempt failed).
export class InferError extends Error {
  constructor(message, { status = 0, code = "", requestId = "", retryAfter = 0, cause } = {}) {
    super(message, { cause });
    this.name = "InferError";
    Object.assign(this, { status, code, requestId, retryAfter });
  }
}

// infer posts body, a value for JSON.stringify or a string that is JSON already,
// and returns the model's answer. All times are in milliseconds.
//
//   url, key         the route's URL and the API key
//   within           how long it may take in all; 15 minutes unless given
//   attemptTimeout   how long one attempt may take; a little more than API
//                    Gateway's limit of 29 seconds
//   atMostOnce       do not repeat what the model may have handled already: 502,
//                    504, 503 UpstreamError, and connections that break. Inference may be repeated,
//                    since the same body gets the same kind of answer and
//                    nothing is stored.
//   onWait           called before every wait with {attempt, reason, wait}, where
//                    reason is an InferError
//   signal           an AbortSignal; aborting throws its reason
//   fetch, random, now, sleep   for tests
export async function infer(options) {
  const { url, body, atMostOnce } = options;
  return (await repeat(patient(options), { method: "POST", url, body: payload(body), success: 200, atMostOnce })).told;
}

// runJob hands body in as a job and returns the model's answer once there is one.
// It is for callers who can wait: no matter in what state the endpoint is, the API
// takes the job at once, and its queue waits for the model. The options are those
// of infer; url is that of the jobs, and atMostOnce does not matter, since however
// often a job is handed in under one Idempotency-Key, it is one job.
//
//   onState          called with {id, status} whenever the API describes the job
//
// A job that failed throws an InferError with the job's code and status 200.
export async function runJob(options) {
  const { url, body, onState = () => {} } = options;
  const caller = patient(options);
  let described = await repeat(caller, {
    method: "POST", url, body: payload(body), success: 202, job: true, idempotencyKey: crypto.randomUUID(),
  });
  for (let polled = 1; ; polled++) {
    const { id, status, result, error } = described.told;
    onState({ id, status });
    if (status === "succeeded") return result;
    if (status === "failed") throw new InferError(error.message, { status: 200, code: error.code });
    const reason = new InferError(`Job ${id} is ${status}.`, { status: 200, code: "NotFinished", retryAfter: described.retryAfter });
    await hold(caller, polled, reason);
    described = await repeat(caller, { method: "GET", url: `${url}/${encodeURIComponent(id)}`, success: 200, job: true });
  }
}

const payload = (body) => (typeof body === "string" ? body : JSON.stringify(body));

// patient is who calls: the options, with what was left out, and the deadline.
function patient({
  key, within = 15 * 60_000, attemptTimeout = 35_000, onWait = () => {}, signal,
  fetch = (...args) => globalThis.fetch(...args), random = Math.random, now = Date.now, sleep = pause,
}) {
  return { key, attemptTimeout, onWait, signal, fetch, random, now, sleep, deadline: now() + within };
}

// repeat attempts the call for as long as that makes sense.
async function repeat(caller, call) {
  let unsure = 0;
  for (let attempt = 1; ; attempt++) {
    let reason;
    try {
      return await ask(caller, call);
    } catch (error) {
      caller.signal?.throwIfAborted();
      if (!(error instanceof InferError)) throw error;
      reason = error;
    }
    const verdict = judge(reason, call);
    unsure = verdict === "unsure" ? unsure + 1 : 0;
    if (verdict === "refused" || (verdict === "unsure" && (call.atMostOnce || unsure === tries))) throw reason;
    await hold(caller, attempt, reason);
  }
}

// hold waits, unless that would end too late.
async function hold({ onWait, signal, random, now, sleep, deadline }, attempt, reason) {
  const wait = waitFor(attempt, reason.retryAfter, random);
  if (now() + wait >= deadline) {
    const message = `Gave up after attempt ${attempt}, since the next one would be too late: ${reason.message}`;
    throw new InferError(message, { code: "DeadlineExceeded", status: reason.status, cause: reason });
  }
  onWait({ attempt, reason, wait });
  await sleep(wait, signal);
}

async function ask({ key, attemptTimeout, deadline, signal, fetch, now }, { method, url, body, success, idempotencyKey }) {
  const ending = AbortSignal.timeout(Math.max(Math.min(attemptTimeout, deadline - now()), 0));
  const headers = { "x-api-key": key };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
  let response, text;
  try {
    response = await fetch(url, {
      method, headers, body,
      // The API never redirects, and a redirect would take the key elsewhere.
      redirect: "error",
      credentials: "omit",
      cache: "no-store",
      signal: signal ? AbortSignal.any([signal, ending]) : ending,
    });
    text = await response.text();
  } catch (error) {
    const why = ending.aborted ? "did not answer in time" : "cannot be reached, or does not let this page's origin call it";
    throw new InferError(`The API ${why}.`, { code: "NoAnswer", cause: error });
  }
  // A browser shows these headers only because the API exposes them.
  const details = {
    status: response.status,
    requestId: response.headers.get("x-amzn-RequestId") ?? "",
    retryAfter: retryAfter(response.headers.get("Retry-After"), now()),
  };
  if (response.status === success) return { told: JSON.parse(text), retryAfter: details.retryAfter };
  let message = `The API answered ${response.status}.`;
  try {
    const told = JSON.parse(text);
    message = told.message ?? message;
    details.code = told.code ?? "";
    details.requestId = told.requestId ?? details.requestId;
  } catch {
    // Something else than the API answered, with something else than JSON.
  }
  throw new InferError(message, details);
}

// judge says whether an attempt will be refused again, was turned away before it
// reached the model, or may or may not have reached it.
function judge({ status, code }, { job }) {
  switch (status) {
    case 503:
      // What answers may have begun before it failed.
      return code === "UpstreamError" ? "unsure" : "turned away";
    case 429:
      // A used-up quota comes back with the next month, not with patience.
      return code === "QuotaExceeded" ? "refused" : "turned away";
    case 500:
      // What takes the jobs may have been busy. What asks the model has no such
      // excuse: there 500 is a mistake in the API.
      return job ? "unsure" : "refused";
    case 0:
    case 502:
    case 504:
      return "unsure";
    default:
      return "refused";
  }
}

// waitFor adds a random spread to Retry-After, so that callers who were turned
// away together do not come back together; without one it draws from a bound
// that doubles ("full jitter").
function waitFor(attempt, retryAfter, random) {
  if (retryAfter > 0) return retryAfter + random() * Math.min(retryAfter, maxSpread);
  return random() * Math.min(firstBackOff * 2 ** (attempt - 1), maxBackOff);
}

// retryAfter reads either form of the header, seconds or an HTTP date. What is
// past, missing or unreadable is 0.
function retryAfter(header, now) {
  if (header === null) return 0;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? 0 : Math.max(date - now, 0);
}

function pause(wait, signal) {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, wait);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
