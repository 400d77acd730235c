"use client";
/** The place in a host page where plugins appear. */
import { type ComponentType, type ReactNode, Suspense, useEffect, useState, useSyncExternalStore } from "react";
import { PluginBoundary } from "./boundary.js";
import { known, type Listing, LOADING } from "./directory.js";
import { createPluginComponent, PluginLoadError } from "./load.js";
import { useJackfield } from "./provider.js";
import { PluginScope } from "./scope.js";
import type { EnabledPlugin, ExtensionPointMap, PluginFailure } from "./types.js";

/** What an `<ExtensionPoint>` takes for itself. Every other prop goes to the plugins. */
export interface ExtensionPointSettings<Name extends string = string> {
  /** Name of the extension point. */
  name: Name;
  /** The provider's tenant if not given. */
  tenant?: string | undefined;
  /** Shows only the plugin of this id. */
  plugin?: string | undefined;
  /** Props for one plugin, over those for all. */
  propsFor?: ((plugin: EnabledPlugin) => object) | undefined;
  /** Wraps each plugin, in a card or a list item, say. */
  renderPlugin?: ((plugin: EnabledPlugin, element: ReactNode) => ReactNode) | undefined;
  /** Shown while the list or a bundle is on its way. */
  whileLoading?: ReactNode;
  /** Shown if no plugin is enabled here. */
  whenEmpty?: ReactNode;
  /** Shown in place of what failed. */
  whenFailed?: ((failure: PluginFailure, retry: () => void) => ReactNode) | undefined;
  /** Hears of failures here, besides the provider's `onError`. */
  onPluginError?: ((failure: PluginFailure) => void) | undefined;
}

/** Props for the plugins at `Name`: as declared in `ExtensionPointMap`, otherwise any. */
export type PropsForPlugins<Name extends string> = Name extends keyof ExtensionPointMap
  ? Partial<ExtensionPointMap[Name]>
  : Record<string, unknown>;

/**
 * Asks the server which plugins are enabled here for the tenant, and shows each, lowest `metadata.priority` first. Each has its
 * own error boundary and Suspense: one that throws, or does not load, leaves the others standing. What is installed, upgraded,
 * configured, switched on or off and removed meanwhile changes at once, unless the provider's `live` is false.
 */
export function ExtensionPoint<Name extends string>(
  props: ExtensionPointSettings<Name> & PropsForPlugins<Name>,
): ReactNode {
  const { name, tenant, plugin: only, propsFor, renderPlugin, whileLoading, whenEmpty, whenFailed, onPluginError, ...shared } =
    props as ExtensionPointSettings & Record<string, unknown>;
  const { directory, report, tenantId: ownTenant } = useJackfield();
  const tenantId = tenant ?? ownTenant;
  const listing = useListing(tenantId, name);
  const fail = (failure: PluginFailure) => {
    report(failure);
    onPluginError?.(failure);
  };
  const listError = listing.status === "failed" ? listing.error : undefined;
  useEffect(() => {
    if (listing.status === "failed") fail({ phase: "list", error: listing.error, tenantId, extensionPoint: name });
    // Once for each failed list; `fail` is new at each render.
  }, [listing]);

  if (listing.status === "loading") return whileLoading ?? <Waiting what="plugins" />;
  const plugins = known(listing).filter(({ id }) => only === undefined || id === only);
  const failedList: PluginFailure = { phase: "list", error: listError, tenantId, extensionPoint: name };
  return (
    <>
      {listing.status === "failed" && (
        <Failed failure={failedList} retry={() => void directory.reload(tenantId)} whenFailed={whenFailed} />
      )}
      {listing.status === "ready" && plugins.length === 0 && whenEmpty}
      {plugins.map((plugin) => (
        <PluginSlot
          // A new version is another component; a new configuration is the same one.
          key={`${plugin.id} ${plugin.bundleUrl}`}
          plugin={plugin}
          point={name}
          tenantId={tenantId}
          given={{ ...shared, ...propsFor?.(plugin) }}
          renderPlugin={renderPlugin}
          whileLoading={whileLoading}
          whenFailed={whenFailed}
          onFailure={fail}
        />
      ))}
    </>
  );
}

/**
 * The list of plugins enabled at an extension point, for hosts that place them on their own; asks the server when
 * first used.
 */
export function useEnabledPlugins(extensionPoint: string, tenant?: string): Listing {
  const { tenantId } = useJackfield();
  return useListing(tenant ?? tenantId, extensionPoint);
}

function useListing(tenantId: string, point: string): Listing {
  const { directory } = useJackfield();
  useEffect(() => {
    directory.want(tenantId, point);
    return directory.follow(tenantId);
  }, [directory, tenantId, point]);
  return useSyncExternalStore(
    directory.subscribe,
    () => directory.read(tenantId, point),
    () => LOADING,
  );
}

interface PluginSlotProps extends Pick<ExtensionPointSettings, "renderPlugin" | "whileLoading" | "whenFailed"> {
  plugin: EnabledPlugin;
  point: string;
  tenantId: string;
  given: Record<string, unknown>;
  onFailure(failure: PluginFailure): void;
}

function PluginSlot({ plugin, point, tenantId, given, renderPlugin, whileLoading, whenFailed, onFailure }: PluginSlotProps) {
  const [attempt, setAttempt] = useState(0);
  const failureOf = (error: unknown): PluginFailure => ({
    phase: error instanceof PluginLoadError ? "load" : "render",
    error,
    tenantId,
    extensionPoint: point,
    plugin,
  });
  const element = (
    <div data-jackfield-plugin={plugin.id} data-jackfield-point={point}>
      <PluginBoundary
        key={attempt}
        // What an administrator has set right is tried again by itself.
        resetBy={plugin}
        onCatch={(error, stack) =>
          onFailure({ ...failureOf(error), ...(stack === undefined ? {} : { componentStack: stack }) })
        }
        fallback={(error) => (
          <Failed failure={failureOf(error)} retry={() => setAttempt(attempt + 1)} whenFailed={whenFailed} />
        )}
      >
        <PluginView plugin={plugin} point={point} tenantId={tenantId} given={given} whileLoading={whileLoading} />
      </PluginBoundary>
    </div>
  );
  return renderPlugin === undefined ? element : renderPlugin(plugin, element);
}

type PluginViewProps = Pick<PluginSlotProps, "plugin" | "point" | "tenantId" | "given" | "whileLoading">;

function PluginView({ plugin, point, tenantId, given, whileLoading }: PluginViewProps) {
  // Above Suspense: state below it is thrown away each time the bundle suspends its first render.
  const Plugin = useBundle(plugin, point);
  return (
    <Suspense fallback={whileLoading ?? <Waiting what={titleOf(plugin)} />}>
      <PluginScope plugin={plugin} extensionPoint={point} tenant={tenantId}>
        {({ sdk, config }) => {
          const where = { tenantId, pluginId: plugin.id, extensionPoint: point };
          return <Plugin config={config} {...given} {...where} sdk={sdk} context={{ ...given, ...where }} />;
        }}
      </PluginScope>
    </Suspense>
  );
}

function titleOf(plugin: EnabledPlugin): string {
  return plugin.metadata.displayName ?? plugin.name;
}

type OpenComponent = ComponentType<Record<string, unknown>>;

function useBundle(plugin: EnabledPlugin, point: string): OpenComponent {
  const { loader } = useJackfield();
  const { bundleUrl, integrity } = plugin;
  const [component] = useState(() =>
    createPluginComponent(bundleUrl, point, { loader, ...(integrity === undefined ? {} : { integrity }) }),
  );
  return component;
}

function Waiting({ what }: { what: string }) {
  return (
    <p role="status" data-jackfield-loading="">
      Loading {what}…
    </p>
  );
}

interface FailedProps extends Pick<ExtensionPointSettings, "whenFailed"> {
  failure: PluginFailure;
  retry(): void;
}

function Failed({ failure, retry, whenFailed }: FailedProps) {
  if (whenFailed !== undefined) return whenFailed(failure, retry);
  const { plugin } = failure;
  const what = plugin === undefined ? "The plugins for this place" : titleOf(plugin);
  return (
    <div role="alert" data-jackfield-failed={failure.phase}>
      <p>{what} could not be shown.</p>
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}
