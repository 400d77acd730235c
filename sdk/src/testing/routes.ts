/** Which handler answers a request: the server's rules for routes. */

const MAX_PATH_BYTES = 2048;
const MAX_SEGMENTS = 64;

interface Route {
  readonly method: string;
  readonly path: string;
  readonly handler: string;
}

/** Where a request goes. */
export type Found =
  | { readonly found: true; readonly handler: string; readonly params: Record<string, string> }
  | { readonly found: false; readonly status: 400 | 404 | 405; readonly detail: string };

/**
 * The route that a request goes to. Of several that fit, the one that is static where others are not, segment by segment; then
 * the one that names the method; then the first. HEAD goes where GET does, if nothing is there for it.
 */
export function findRoute(routes: readonly Route[], method: string, path: string): Found {
  const asked = segmentsOf(path);
  if (typeof asked === "string") return { found: false, status: 400, detail: asked };
  const fitting = routes
    .flatMap((route) => {
      const params = fit(route.path, asked);
      return params === undefined ? [] : [{ route, params }];
    })
    .sort((a, b) => compare(a.route, b.route));
  if (fitting.length === 0) return { found: false, status: 404, detail: "the plugin has no route for this path" };
  const takes = (wanted: string) => fitting.find(({ route }) => route.method === "*" || route.method === wanted);
  const taken = takes(method) ?? (method === "HEAD" ? takes("GET") : undefined);
  if (taken !== undefined) return { found: true, handler: taken.route.handler, params: taken.params };
  const methods = [...new Set(fitting.map(({ route }) => route.method))].sort().join(", ");
  return { found: false, status: 405, detail: `the plugin has routes for this path with the methods ${methods}` };
}

function compare(a: Route, b: Route): number {
  const [left, right] = [ranksOf(a), ranksOf(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length || Number(a.method === "*") - Number(b.method === "*");
}

function ranksOf(route: Route): number[] {
  return partsOf(route.path).map((part) => (part === "*" ? 2 : isName(part) ? 1 : 0));
}

function isName(part: string): boolean {
  return part.startsWith(":") && part.length > 1;
}

/** One slash in front and one at the end say nothing. */
function partsOf(path: string): string[] {
  const inner = path.replace(/^\//, "").replace(/\/$/, "");
  return inner === "" ? [] : inner.split("/");
}

/** What is wrong with a path that goes on to another server, below that one's root; undefined if nothing is. */
export function pathProblem(path: string): string | undefined {
  const parts = path.replace(/^\//, "").split("/");
  // One slash at the end may mean something there.
  if (parts.at(-1) === "") parts.pop();
  const wrong = parts.find((part) => {
    const segment = decoded(part);
    return segment === undefined || leadsElsewhere(segment);
  });
  return wrong === undefined ? undefined : `others may read the segment ${JSON.stringify(wrong)} in another way`;
}

/** The decoded segments of a request's path, or what is wrong with it. */
function segmentsOf(path: string): string[] | string {
  if (new TextEncoder().encode(path).length > MAX_PATH_BYTES) return "the path must be at most 2048 bytes long";
  const segments: string[] = [];
  for (const part of partsOf(path)) {
    const segment = decoded(part);
    if (segment === undefined || leadsElsewhere(segment)) {
      return `the path must not have a segment such as ${JSON.stringify(part)}, which others may read in another way`;
    }
    segments.push(segment);
  }
  return segments.length > MAX_SEGMENTS ? "the path must have at most 64 segments" : segments;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Whether anybody who decodes a segment once more would find a slash, a step up or a control character in it. */
function leadsElsewhere(segment: string): boolean {
  if (/[\u0000-\u001f\u007f-\u009f]/.test(segment)) return true;
  let read = segment;
  for (let times = 0; times < 4; times += 1) {
    if (/[/\\]/.test(read) || /^[. ]*(;|$)/.test(read)) return true;
    const next = decoded(read);
    if (next === undefined || next === read) return false;
    read = next;
  }
  return true;
}

/** What the names of a route stand for in a path that fits it. */
function fit(route: string, path: readonly string[]): Record<string, string> | undefined {
  const params: Record<string, string> = {};
  const parts = partsOf(route);
  for (const [at, part] of parts.entries()) {
    if (part === "*") return { ...params, "*": path.slice(at).join("/") };
    const segment = path[at];
    if (segment === undefined) return undefined;
    if (isName(part)) params[part.slice(1)] = segment;
    else if (part !== segment) return undefined;
  }
  return parts.length === path.length ? params : undefined;
}
