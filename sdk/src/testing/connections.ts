/** Connected accounts that a test answers for. */
import type { Connection, ConnectionArguments, ConnectionOperation, Connections } from "../server/context.js";
import type { BackendUser } from "../server/types.js";
import { throughJson } from "./json.js";
import { UNBOUNDED, type Used } from "./limits.js";
import { connectionsOf, type TestManifest } from "./manifest.js";

/** A call of a connector. */
export interface ConnectionCall {
  /** By its own name, also where it was called by another. */
  readonly connector: string;
  readonly operation: ConnectionOperation;
  /** Whose account: an e-mail address, or null where only one of the tenant itself can be meant. */
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

const READING: readonly string[] = ["list", "get", "search", "channels", "messages", "projects", "issues"];
const WRITING: readonly string[] = ["create", "update", "delete", "send"];

/** Other names of connectors. */
const ALIASES: Readonly<Record<string, string>> = { atlassian: "jira" };
const canonical = (connector: string): string => (Object.hasOwn(ALIASES, connector) ? (ALIASES[connector] ?? connector) : connector);

/** The same connections, for who asks, and for whom they are counted. */
export type ConnectionsFor = (used: Used, user: BackendUser | undefined) => TestConnections;

/** Connections as the manifest asks for them, of the user who asks where the handler names nobody. */
export function createConnections(manifest: TestManifest | undefined): ConnectionsFor {
  const answers = new Map<string, ConnectionAnswer>();
  const calls: ConnectionCall[] = [];
  return (used = UNBOUNDED, user) => connections({ manifest, answers, calls }, used, user);
}

/** What is the test's, whoever asks. */
interface Shared {
  readonly manifest: TestManifest | undefined;
  readonly answers: Map<string, ConnectionAnswer>;
  readonly calls: ConnectionCall[];
}

function connections({ manifest, answers, calls }: Shared, used: Used, user: BackendUser | undefined): TestConnections {
  const call = async <Result>(asked: Omit<ConnectionCall, "user"> & { user: string | undefined }): Promise<Result> => {
    const call: ConnectionCall = { ...asked, user: meant(manifest, user, asked) };
    used.count("operations of connections");
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

  const made: TestConnections = Object.freeze<TestConnections>({
    calls,
    on(connector, operation, answer) {
      answers.set(`${canonical(connector)} ${operation}`, answer);
      return made;
    },
    get: (connector, options) =>
      connection((operation, args) =>
        call({
          connector: canonical(connector),
          operation,
          user: options?.user,
          arguments: throughJson(args, `the arguments of "${operation}"`),
        }),
      ),
  });
  return made;
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

/** Whose account it is, if the manifest asks for that. */
function meant(
  manifest: TestManifest | undefined,
  user: BackendUser | undefined,
  { connector, operation, user: given }: { connector: string; operation: string; user: string | undefined },
): string | null {
  const reads = READING.includes(operation);
  if (!reads && !WRITING.includes(operation)) {
    throw new Error(`there is no operation ${operation} of connections: there are ${[...READING, ...WRITING].join(", ")}`);
  }
  const named = given === undefined || given === "" ? undefined : address(given);
  const own = user === undefined ? undefined : (user.email?.toLowerCase() ?? null);
  if (manifest === undefined) return named ?? own ?? null;
  const asks = connectionsOf(manifest, connector, canonical).filter(({ access }) => reads || access === "write");
  const add = (ask: string) => `add ${ask} to connections in the manifest, and have an admin consent to it`;
  if (asks.length === 0) {
    const what = reads ? "use" : "change anything with";
    const ask = reads ? `"${connector}"` : `{"connector": "${connector}", "access": "write"}`;
    throw new Error(`the plugin may not ${what} the connector ${connector}: ${add(ask)}`);
  }
  if (asks.some(({ whose }) => whose === "tenant")) return named ?? own ?? null;
  if (own !== undefined && (named === undefined || named === own)) return own;
  const why =
    own === undefined
      ? "no user calls the plugin now, and it may use connections of the user who does alone"
      : "the plugin may use connections of the user who calls it alone";
  const access = reads ? "read" : "write";
  throw new Error(`${why}: for others ${add(`{"connector": "${connector}", "access": "${access}", "whose": "tenant"}`)}`);
}

function address(text: string): string {
  if (/^[^@\s]+@[^\s]+$/.test(text) && text.length <= 254) return text.toLowerCase();
  throw new Error("user_email must be an e-mail address");
}
