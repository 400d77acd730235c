/** Connected accounts that a test answers for. */
import type { Connection, ConnectionArguments, ConnectionOperation, Connections } from "../server/context.js";
import type { BackendUser } from "../server/types.js";
import { throughJson } from "./json.js";
import { connectionsOf, type TestManifest } from "./manifest.js";

/** A call of a connector. */
export interface ConnectionCall {
  readonly connector: string;
  readonly operation: ConnectionOperation;
  /** Whose account: an e-mail address, or null where nobody asks and none is named. */
  readonly user: string | null;
  readonly arguments: ConnectionArguments;
}

/** The `result` of the unified API, or an Error, as if there were no connection, say. */
export type ConnectionAnswer = object | Error | ((call: ConnectionCall) => unknown);

/** The connections of a test. A call that no answer is there for is an error. */
export interface TestConnections extends Connections {
  /** Answers a connector's operation: `on("gmail", "list", { items: [] })`. A later one goes before an earlier one. */
  on(connector: string, operation: ConnectionOperation, answer: ConnectionAnswer): TestConnections;
  /** In their order. */
  readonly calls: readonly ConnectionCall[];
}

const READING: readonly ConnectionOperation[] = ["list", "get", "search", "channels", "messages", "projects", "issues"];

/** Connections as the manifest asks for them, of `user` where the handler names nobody. */
export function createConnections(manifest: TestManifest | undefined, user: BackendUser | undefined): TestConnections {
  const answers = new Map<string, ConnectionAnswer>();
  const calls: ConnectionCall[] = [];

  const call = async <Result>(call: ConnectionCall): Promise<Result> => {
    if (manifest !== undefined) permit(manifest, user, call);
    calls.push(call);
    const answer = answers.get(`${call.connector} ${call.operation}`);
    if (answer === undefined) {
      const how = `say ctx.connections.on("${call.connector}", "${call.operation}", { … })`;
      throw new Error(`ctx.connections: no answer for "${call.operation}" of "${call.connector}"; ${how}`);
    }
    const result: unknown = typeof answer === "function" ? await (answer as (call: ConnectionCall) => unknown)(call) : answer;
    if (result instanceof Error) throw result;
    return throughJson(result, "the result") as Result;
  };

  const connections: TestConnections = {
    calls,
    on(connector, operation, answer) {
      answers.set(`${connector} ${operation}`, answer);
      return connections;
    },
    get: (connector, options) =>
      connection((operation, args) =>
        call({
          connector,
          operation,
          user: options?.user ?? user?.email ?? null,
          arguments: throughJson(args, `the arguments of "${operation}"`),
        }),
      ),
  };
  return Object.freeze(connections);
}

function connection(call: <Result>(operation: ConnectionOperation, args: ConnectionArguments) => Promise<Result>): Connection {
  return Object.freeze({
    list: <Result>(filter: ConnectionArguments = {}) => call<Result>("list", filter),
    item: <Result>(id: string) => call<Result>("get", { id }),
    create: <Result>(body: ConnectionArguments) => call<Result>("create", { body }),
    update: <Result>(id: string, body: ConnectionArguments) => call<Result>("update", { id, body }),
    delete: <Result>(id: string) => call<Result>("delete", { id }),
    search: <Result>(query: string, filter: ConnectionArguments = {}) => call<Result>("search", { ...filter, query }),
    call: <Result>(operation: ConnectionOperation, args: ConnectionArguments = {}) => call<Result>(operation, args),
  });
}

function permit(manifest: TestManifest, user: BackendUser | undefined, call: ConnectionCall): void {
  const { connector } = call;
  const reads = READING.includes(call.operation);
  const asks = connectionsOf(manifest, connector).filter(({ access }) => reads || access === "write");
  const add = (ask: string) => `add ${ask} to connections in the manifest, and have an admin consent to it`;
  if (asks.length === 0) {
    const what = reads ? `use the connector ${connector}: ${add(`"${connector}"`)}` : undefined;
    const change = `change anything with the connector ${connector}: ${add(`{"connector": "${connector}", "access": "write"}`)}`;
    throw new Error(`the plugin may not ${what ?? change}`);
  }
  if (asks.some(({ whose }) => whose === "tenant") || (call.user !== null && call.user === user?.email)) return;
  const why =
    user === undefined
      ? "no user calls the plugin now, and it may use connections of the user who does alone"
      : "the plugin may use connections of the user who calls it alone";
  const access = reads ? "read" : "write";
  throw new Error(`${why}: for others ${add(`{"connector": "${connector}", "access": "${access}", "whose": "tenant"}`)}`);
}
