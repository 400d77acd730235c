/** The host's side of the SDK: showing plugins in a page. */
export { type ClientOptions, createClient, type JackfieldClient, JackfieldRequestError, type NewEvent } from "./client.js";
export type { Directory, Listing } from "./directory.js";
export type * from "./event-types.js";
export {
  ExtensionPoint,
  type ExtensionPointSettings,
  type PropsForPlugins,
  useEnabledPlugins,
} from "./extension-point.js";
export { importMap, importMapText, type ImportMap, type ImportMapOptions, type MappedBundle } from "./import-map.js";
export {
  createLoader,
  createPluginComponent,
  type LoadEnvironment,
  type LoadFailure,
  type LoadOptions,
  loadPlugin,
  PluginLoadError,
  type PluginLoader,
} from "./load.js";
export type { StreamState } from "./live/follow.js";
export type { EventHub, EventListener } from "./live/hub.js";
export { type EventFeed, useEvents, type UseEventsOptions } from "./live/use-events.js";
export {
  HOST_SYMBOL,
  type HostModules,
  type HostRegistration,
  type ModuleNamespace,
  provideHost,
} from "./provide.js";
export { type Jackfield, JackfieldProvider, type JackfieldProviderProps, useJackfield } from "./provider.js";
export { PluginScope, type PluginScopeProps } from "./scope.js";
export type * from "./types.js";
