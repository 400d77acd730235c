"use client";
/** The host page's connection to Jackfield, as React context. */
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef } from "react";
import { type ClientOptions, createClient, type JackfieldClient } from "./client.js";
import { createDirectory, type Directory } from "./directory.js";
import { createEventHub, type EventHub } from "./live/hub.js";
import { loadPlugin, type PluginLoader } from "./load.js";
import type { Platform, PluginFailure } from "./types.js";

/** Props of `<JackfieldProvider>`. */
export interface JackfieldProviderProps extends ClientOptions {
  /** Whose plugins to show, unless an `<ExtensionPoint>` says otherwise. */
  tenant: string;
  /** What plugins may do with the page; a stable object spares renders. */
  platform: Platform;
  /** Hears of every failure of every plugin, once each. */
  onError?: ((failure: PluginFailure) => void) | undefined;
  /** How bundles are loaded; `loadPlugin` if not given. */
  loader?: PluginLoader | undefined;
  /**
   * Whether plugins appear, change and go while the page is open, as they are installed, configured and removed; true if not given.
   * Costs one connection for each tenant that is shown.
   */
  live?: boolean | undefined;
  children?: ReactNode;
}

/** What components of the host read of the provider. */
export interface Jackfield {
  readonly tenantId: string;
  readonly client: JackfieldClient;
  readonly directory: Directory;
  /** The tenant's events; components read them by `useEvents`. */
  readonly events: EventHub;
  readonly loader: PluginLoader;
  readonly platform: Platform;
  report(failure: PluginFailure): void;
}

const JackfieldContext = createContext<Jackfield | null>(null);

/** Connects the page below it to a Jackfield server, for one tenant. Change its `key` when the user changes. */
export function JackfieldProvider(props: JackfieldProviderProps): ReactNode {
  const { server, tenant, platform, loader = loadPlugin, live = true, children } = props;
  // Functions are usually new at each render; the client must not be, or every render would ask the server.
  const latest = useRef(props);
  useEffect(() => {
    latest.current = props;
  });
  const connection = useMemo(() => {
    const client = createClient({ server, getToken: async () => (await latest.current.getToken?.()) ?? null });
    return { client, directory: createDirectory(client, { live }), events: createEventHub(client) };
  }, [server, live]);
  const value = useMemo<Jackfield>(
    () => ({
      ...connection,
      tenantId: tenant,
      loader,
      platform,
      report: (failure) => latest.current.onError?.(failure),
    }),
    [connection, tenant, loader, platform],
  );
  return <JackfieldContext.Provider value={value}>{children}</JackfieldContext.Provider>;
}

/**
 * The page's connection to Jackfield.
 *
 * @throws Error outside of `<JackfieldProvider>`.
 */
export function useJackfield(): Jackfield {
  const jackfield = useContext(JackfieldContext);
  if (jackfield === null) throw new Error("wrap the page in <JackfieldProvider server tenant platform>");
  return jackfield;
}
