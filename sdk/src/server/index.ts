/**
 * For a plugin's backend, which runs on the server in a sandbox: `@jackfield/plugin-sdk/server`.
 * The server builds imports of this module as imports of its own copy, so nothing of the package travels with a plugin.
 */
export { defineBackendPlugin } from "./define.js";
export { errorResponse, jsonResponse } from "./responses.js";
export type * from "../event-types.js";
export type * from "./context.js";
export type * from "./types.js";
