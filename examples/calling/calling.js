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
//                    504, and connections that break. Inference may be repeated,
//                    since the same body gets the same kind of answer and
//                    nothing is stored.
//   onWait           called before every wait with {attempt, reason, wait}, where
//                    reason is an InferError
//   signal           an AbortSignal; aborting throws its reason
//   fetch, random, now, sleep   for tests
export async function infer({
  url, key, body, within = 15 * 60_000, attemptTimeout = 35_000, atMostOnce = false,
  onWait = () => {}, signal, fetch = (...args) => globalThis.fetch(...args),
  random = Math.random, now = Date.now, sleep = pause,
}) {
  const payload = typeof body === "string" ? body : JSON.stringify(body);
  const deadline = now() + within;
  let unsure = 0;
  for (let attempt = 1; ; attempt++) {
    let reason;
    try {
      const timeout = Math.min(attemptTimeout, deadline - now());
      return await ask({ url, key, payload, timeout, signal, fetch, now });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof InferError)) throw error;
      reason = error;
    }
    const verdict = judge(reason);
    unsure = verdict === "unsure" ? unsure + 1 : 0;
    if (verdict === "refused" || (verdict === "unsure" && (atMostOnce || unsure === tries))) throw reason;

    const wait = waitFor(attempt, reason.retryAfter, random);
    if (now() + wait >= deadline) {
      const message = `Gave up after attempt ${attempt}, since the next one would be too late: ${reason.message}`;
      throw new InferError(message, { code: "DeadlineExceeded", status: reason.status, cause: reason });
    }
    onWait({ attempt, reason, wait });
    await sleep(wait, signal);
  }
}

async function ask({ url, key, payload, timeout, signal, fetch, now }) {
  const ending = AbortSignal.timeout(timeout);
  let response, text;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "x-api-key": key },
      body: payload,
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
  if (response.status === 200) return JSON.parse(text);

  // A browser shows these headers only because the API exposes them.
  const details = {
    status: response.status,
    requestId: response.headers.get("x-amzn-RequestId") ?? "",
    retryAfter: retryAfter(response.headers.get("Retry-After"), now()),
  };
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
function judge({ status, code }) {
  switch (status) {
    case 503:
      return "turned away";
    case 429:
      // A used-up quota comes back with the next month, not with patience.
      return code === "QuotaExceeded" ? "refused" : "turned away";
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
