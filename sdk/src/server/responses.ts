/** Answers of handlers. */
import type { BackendResponse } from "./types.js";

/** An answer with `body` as JSON: `jsonResponse({ id }, 201)`. */
export function jsonResponse<Body>(body: Body, status = 200, headers?: Record<string, string>): BackendResponse<Body> {
  return headers === undefined ? { status, body } : { status, body, headers };
}

/** An answer that says what is wrong, as `{ error: message, ...details }`: `errorResponse(404, "there is no such payment")`. */
export function errorResponse<Details extends object = Record<never, never>>(
  status: number,
  message: string,
  details?: Details,
): BackendResponse<{ error: string } & Details> {
  return { status, body: { error: message, ...(details as Details) } };
}
