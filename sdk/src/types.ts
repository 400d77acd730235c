/** The nouns that plugin authors and host pages share. */
import type { ComponentType } from "react";
import type { Emitted, EventData, EventName, PageEmitOptions } from "./event-types.js";

/**
 * What a host page adds to the platform SDK. Empty here; a platform declares its own values once and
 * both its host and its plugins see them:
 *
 * ```ts
 * declare module "@jackfield/plugin-sdk" {
 *   interface PlatformExtensions { ThemeContext: React.Context<Theme> }
 * }
 * ```
 */
export interface PlatformExtensions {}

/**
 * The props that a platform passes at each of its extension points, by name. Empty here; declare
 * yours to have components checked in `definePlugin`:
 *
 * ```ts
 * declare module "@jackfield/plugin-sdk" {
 *   interface ExtensionPointMap { "payment-methods": { amount: number; currency: string } }
 * }
 * ```
 */
export interface ExtensionPointMap {}

/** How a notice is to be understood by the person who reads it. */
export type NoticeKind = "info" | "success" | "warning" | "error";

/** What the host page must give so that plugins can act on the page. */
export interface PlatformActions {
  /** Goes to a path of the host application. */
  navigate(path: string): void;
  /** Shows a short message to the user. */
  notify(message: string, kind?: NoticeKind): void;
}

/** What the host page gives to plugins: the actions, and its own extensions. */
export type Platform = PlatformActions & PlatformExtensions;

/** What a plugin sees of the platform, by `usePlatformSDK()` and as the prop `sdk`. */
export interface PlatformSDK extends PlatformActions, PlatformExtensions {
  readonly tenantId: string;
  readonly pluginId: string;
  readonly extensionPoint: string;
  /**
   * Calls the plugin's own backend: `fetch("/quotes")` asks
   * `{server}/api/plugin-proxy/{pluginId}/quotes` for the current tenant, with the user's token. Ends
   * after 30 s unless `init.signal` ends it sooner. Rejects a path that leaves the plugin's own routes.
   */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** The same for JSON: `await backend.post("/orders", { items })` gives the handler's answer. */
  readonly backend: PluginBackend;
  /**
   * Emits an event of the plugin in the user's name: `await sdk.emit("cart.shared", { items }, { subject: cartId })`. The manifest's
   * `emits` must have the type, and the tenant's policy must let pages emit it: by default it lets them emit nothing, and this rejects
   * with `JackfieldRequestError` (403). What a page says can be made up by whoever looks at it.
   */
  emit<Type extends EventName>(type: Type, data: EventData<Type>, options?: PageEmitOptions): Promise<Emitted>;
}

/** How a request to the plugin's backend goes out. */
export interface BackendRequestOptions {
  query?: Readonly<Record<string, string | number | boolean | undefined>>;
  headers?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/**
 * The plugin's own backend. Each gives the answer's body: parsed if it is JSON, text otherwise, null if there is none. Each rejects
 * with `JackfieldRequestError` if the answer is an error, with its `status`, its `code`, and as message what it says.
 */
export interface PluginBackend {
  get<Answer = unknown>(path: string, options?: BackendRequestOptions): Promise<Answer>;
  post<Answer = unknown>(path: string, body?: unknown, options?: BackendRequestOptions): Promise<Answer>;
  put<Answer = unknown>(path: string, body?: unknown, options?: BackendRequestOptions): Promise<Answer>;
  patch<Answer = unknown>(path: string, body?: unknown, options?: BackendRequestOptions): Promise<Answer>;
  delete<Answer = unknown>(path: string, options?: BackendRequestOptions): Promise<Answer>;
  /** Runs a handler by its name: `POST /plugins/{id}/actions`. */
  action<Answer = unknown>(name: string, parameters?: object): Promise<Answer>;
}

/** Where a component of a plugin is being shown. */
export interface ExtensionPointContext {
  readonly tenantId: string;
  readonly pluginId: string;
  readonly extensionPoint: string;
}

/** A plugin's configuration, without its sensitive fields or with them masked. */
export type PluginConfiguration = Record<string, unknown>;

/**
 * The props of a component at an extension point: the host's own (`Props`), each by name and once more
 * together as `context`, and what the SDK adds.
 */
export type ExtensionPointProps<Props = unknown, Config = PluginConfiguration> = Props &
  ExtensionPointContext & {
    readonly context: Props & ExtensionPointContext;
    readonly sdk: PlatformSDK;
    readonly config: Config;
  };

/** A component of a plugin. Its props belong to the platform, so they are open here. */
export type ExtensionPointComponent = ComponentType<any>;

/** Components by the name of their extension point; names in `ExtensionPointMap` are checked. */
export type ExtensionPointComponents = {
  [Point in keyof ExtensionPointMap]?: ComponentType<ExtensionPointProps<ExtensionPointMap[Point]>>;
} & Record<string, ExtensionPointComponent>;

/** What a plugin says of itself. The server reads the manifest; these travel in the bundle. */
export interface PluginMetadata {
  id?: string;
  name?: string;
  version?: string;
  description?: string;
  category?: string;
  author?: string;
  authorEmail?: string;
  repositoryUrl?: string;
  displayName?: string;
  iconUrl?: string;
  /** Lower comes first; without it, 100. */
  priority?: number;
  requiredPermissions?: string[];
}

interface PluginBody {
  description?: string;
  category?: string;
  requiredPermissions?: string[];
  /** JSON Schema of the configuration, with `sensitiveFields` beside `properties`. */
  configSchema?: Record<string, unknown>;
  extensionPoints?: ExtensionPointComponents;
  adminComponents?: Record<string, ExtensionPointComponent>;
  storefrontComponents?: Record<string, ExtensionPointComponent>;
}

/** What an author passes to `definePlugin`: named at the top, or in `metadata`. */
export type PluginSpec = PluginBody &
  (
    | { name: string; version: string; metadata?: PluginMetadata }
    | { name?: string; version?: string; metadata: PluginMetadata & { name: string; version: string } }
  );

/** A plugin as its bundle exports it by default. */
export type PluginDefinition = PluginSpec & { extensionPoints: ExtensionPointComponents };

/** A plugin that a tenant has installed and enabled, as the server lists it. */
export interface EnabledPlugin {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  readonly category?: string;
  /** Absolute `http:` or `https:` address of the bundle. */
  readonly bundleUrl: string;
  /** Subresource integrity of the bundle, such as `sha384-…`. */
  readonly integrity?: string;
  readonly extensionPoints: readonly string[];
  readonly configuration: PluginConfiguration;
  readonly metadata: PluginMetadata;
}

/** What went wrong with one plugin, or with the list of plugins, as `onError` gets it. */
export interface PluginFailure {
  /** `list`: the server did not say what is enabled. `load`: the bundle. `render`: the component threw. */
  readonly phase: "list" | "load" | "render";
  readonly error: unknown;
  readonly tenantId: string;
  readonly extensionPoint: string;
  /** Absent in phase `list`. */
  readonly plugin?: EnabledPlugin;
  /** React's component stack; only in the phases `load` and `render`. */
  readonly componentStack?: string;
}
