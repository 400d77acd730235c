/** Which headers reach a handler, and which of its answer reach callers. */

/** What would tell a handler who calls otherwise than `req.user`, or belongs to the connection. */
const NOT_FOR_HANDLERS = new Set([
  "authorization", "connection", "content-length", "cookie", "cookie2", "expect", "forwarded", "host", "http2-settings", "keep-alive",
  "max-forwards", "referer", "te", "transfer-encoding", "upgrade", "via", "x-client-ip", "x-original-host", "x-original-url", "x-real-ip",
  "x-request-id", "x-rewrite-url", "x-tenant-id",
]);

/** What would act on the server's origin, or on what a browser keeps of it. */
const NOT_FOR_CALLERS = new Set([
  "age", "alt-svc", "cache-control", "clear-site-data", "connection", "content-length", "content-location", "content-security-policy",
  "content-security-policy-report-only", "cross-origin-embedder-policy", "cross-origin-opener-policy", "cross-origin-resource-policy", "date",
  "expect-ct", "expires", "http2-settings", "keep-alive", "nel", "origin-agent-cluster", "permissions-policy", "pragma", "public-key-pins",
  "ratelimit", "ratelimit-policy", "referrer-policy", "refresh", "report-to", "reporting-endpoints", "server", "service-worker-allowed",
  "set-cookie", "set-cookie2", "set-login", "sourcemap", "speculation-rules", "strict-transport-security", "supports-loading-mode", "te",
  "trailer", "transfer-encoding", "upgrade", "via", "www-authenticate", "x-content-type-options", "x-frame-options", "x-request-id",
  "x-sourcemap",
]);

/** The caller's headers, by lower-case name, as far as a handler sees them. */
export function forHandlers(headers: Readonly<Record<string, string>>): Record<string, string> {
  return without(headers, (name) => NOT_FOR_HANDLERS.has(name) || /^(?:proxy-|x-jackfield-|x-forwarded-)/.test(name));
}

/** A handler's headers, by lower-case name, as far as callers get them. */
export function forCallers(headers: Readonly<Record<string, string>>): Record<string, string> {
  return without(headers, (name) => NOT_FOR_CALLERS.has(name) || /^(?:proxy-|x-jackfield-|x-forwarded-|access-control-)/.test(name));
}

function without(headers: Readonly<Record<string, string>>, isOut: (name: string) => boolean): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !isOut(name)));
}
