// What the API's answers mean to somebody who calls it, by code, and by status
// where an answer has no code.
const byCode = {
  InvalidBody: "The request does not keep to the API's schema, so the model never saw it. Asking again does not help; change the request. Here: no field may be empty, and a song needs a title and an artist.",
  InvalidParameters: "The request lacks a parameter that the API requires.",
  InvalidApiKey: "The key is missing, wrong or disabled, or its usage plan does not cover this stage. Asking again does not help. “Use the local key” fills in the right one.",
  NoSuchRoute: "The API has no such route. The right URL is the stack's output apiGatewayUrl.",
  RequestTooLarge: "The request is too large: send fewer songs at once.",
  UnsupportedMediaType: "The API takes application/json only.",
  TooManyRequests: "The key, or the whole stage, is over its rate. The answer says how long to wait.",
  QuotaExceeded: "The key has used up its requests for this month. Waiting a while does not help.",
  ModelStarting: "No copy of the model runs. Your request was counted and sets off the alarm that starts one; on AWS that takes about five minutes.",
  ModelError: "The model ran and failed on this request.",
  UpstreamError: "The endpoint cannot be called as the API does it. That is for whoever runs the API.",
  UpstreamTimeout: "The model took longer than the API waits, which is 29 seconds.",
  NotFinished: "The queue keeps it until the model has answered, whatever state the endpoint is in.",
  NoSuchJob: "The API knows no such job: it never did, or the job is older than jobs are kept.",
  IdempotencyConflict: "Another request was sent under the same Idempotency-Key.",
  ResultTooLarge: "The model answered with more than a job can hold, which is 400 KB.",
  WorkerFailed: "What works on the queue's jobs died over this one, several times.",
  NoAnswer: "No answer reached this page. Either nothing listens at this URL, or it does not allow this page's origin (CORS): the browser does not say which.",
  DeadlineExceeded: "The model did not start in the time that this page waits.",
};

const byStatus = {
  400: byCode.InvalidBody,
  403: "The API refuses the request: wrong key, or no such route.",
  404: "Nothing is there. The right URL is the stack's output apiGatewayUrl.",
  413: byCode.RequestTooLarge,
  415: byCode.UnsupportedMediaType,
  429: byCode.TooManyRequests,
  502: byCode.ModelError,
  503: byCode.ModelStarting,
  504: byCode.UpstreamTimeout,
};

// explain says an InferError in words.
export const explain = ({ code, status }) => byCode[code] ?? byStatus[status] ?? "An answer that this API does not document.";
