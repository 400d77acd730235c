/**
 * Everything: what authors import, and the host's side (also by itself at `@jackfield/plugin-sdk/host`).
 * Bundles take this module from the host page, so that both sides share one React context.
 */
export { createExtensionPoint, definePlugin, registerExtensionPoint } from "./define.js";
export * from "./host.js";
export { type PluginConfig, usePlatformSDK, usePluginConfig } from "./scope.js";
export type {
  EnabledPlugin,
  ExtensionPointComponent,
  ExtensionPointComponents,
  ExtensionPointContext,
  ExtensionPointMap,
  ExtensionPointProps,
  NoticeKind,
  Platform,
  PlatformActions,
  PlatformExtensions,
  PlatformSDK,
  PluginConfiguration,
  PluginDefinition,
  PluginFailure,
  PluginMetadata,
  PluginSpec,
} from "./types.js";
