/**
 * For tests of a backend under vitest, jest or node:test: `@jackfield/plugin-sdk/testing`. A context that keeps to the server's
 * rules, in memory, and calls that match routes and read answers as the server does.
 */
export type { TestAnswer } from "./answer.js";
export { callAction, callHandler, callLifecycle, type TestRequest } from "./call.js";
export type { ConnectionAnswer, ConnectionCall, TestConnections } from "./connections.js";
export { callHook, callWebhook, type TestEvent, type TestWebhook } from "./deliver.js";
export { createTestContext, type TestContext, type TestContextOptions } from "./context.js";
export type { TestFetchInit, TestFetchResponse } from "./fetched.js";
export type { HttpAnswer, HttpCall, TestHttp } from "./http.js";
export type { ManifestConnection, ManifestHost, TestManifest } from "./manifest.js";
export type { EmittedEvent, LogLine, TestEvents, TestLogger } from "./records.js";
export type { TestStorage } from "./storage.js";
