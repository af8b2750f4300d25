/** OpenAI's names for kinds of errors. */
type ErrorType = "invalid_request_error" | "authentication_error" | "rate_limit_error" | "server_error";

export interface HttpErrorOptions {
  /** What a program can tell errors of one status apart by: `invalid_api_key`. */
  readonly code?: string;
  /** The field of the request that is wrong. */
  readonly param?: string;
  /** Seconds after which to try again. */
  readonly retryAfter?: number;
  /** What went wrong inside; for the log alone. */
  readonly cause?: unknown;
}

/**
 * An answer other than the one asked for. The message is one line and holds nothing of the server's own: no path, no stack.
 */
export class HttpError extends Error {
  override readonly name = "HttpError";
  readonly status: number;
  readonly options: HttpErrorOptions;

  constructor(status: number, message: string, options: HttpErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.status = status;
    this.options = options;
  }

  /** The body of the answer, as OpenAI has it. */
  get body(): { error: { message: string; type: ErrorType; param: string | null; code: string | null } } {
    const { param = null, code = null } = this.options;
    return { error: { message: this.message, type: typeOf(this.status), param, code } };
  }
}

function typeOf(status: number): ErrorType {
  if (status === 401 || status === 403) return "authentication_error";
  if (status === 429) return "rate_limit_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}
