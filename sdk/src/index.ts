/**
 * Everything: what authors import, and the host's side (also by itself at `@jackfield/plugin-sdk/host`).
 * Bundles take this module from the host page, so that both sides share one React context.
 */
export { createExtensionPoint, definePlugin, registerExtensionPoint } from "./define.js";
export * from "./host.js";
export { type PluginConfig, usePlatformSDK, usePluginConfig } from "./scope.js";
// By `export *`, because TypeScript merges `declare module "@jackfield/plugin-sdk"` only with names that come so.
export type * from "./event-types.js";
export type * from "./types.js";
