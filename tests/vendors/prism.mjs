// A vendor's API as its own document describes it (npm @stoplight/prism-http): calls that break the contract are refused
// with 422, all others are answered with an example of what the contract promises.
//
//   node prism.mjs '{"vendor": "gmail", "documents": "/folder", "below": "/a/prefix/of/all/paths"}'
//
// Prism does not mind parameters and fields that the document has not; here they are refused, too. For tests, it also
// answers GET /test/log: what it was asked, and what was wrong with it.
import { createRequire } from "node:module";
import { answerJson, bodyOf, listen, options, ready } from "../providers/peer.mjs";
import { documentOf } from "./documents.mjs";

const require = createRequire(import.meta.url);
const { createLogger } = require("@stoplight/prism-core");
const { createInstance, getHttpOperationsFromSpec } = require("@stoplight/prism-http");
const { validateInput } = require("@stoplight/prism-http/dist/validator");

const operations = await getHttpOperationsFromSpec(await documentOf(options.vendor, options.documents));
const config = {
  isProxy: false,
  checkSecurity: false,
  // Looked at here, and answers are Prism's own.
  validateRequest: false,
  validateResponse: false,
  errors: false,
  mock: { dynamic: false },
};
const prism = createInstance(config, { logger: createLogger("prism", { level: "silent" }) });

const below = options.below ?? "";
const log = [];
const { base, handle } = await listen();
handle((request, response) => {
  if (request.url === "/test/log") return answerJson(response, log);
  answered(request, response).catch((error) => answerJson(response, { title: error.message }, 500));
});
ready({ base: base + below, log: `${base}/test/log` });

async function answered(request, response) {
  const input = await inputOf(request);
  const operation = operationOf(input);
  const breaches = operation ? breachesOf(operation, input) : [`there is no ${request.method} ${input.url.path}`];
  log.push({ method: request.method, path: operation?.path ?? input.url.path, breaches });
  if (breaches.length > 0) return answerJson(response, { title: "the call breaks the contract", breaches }, 422);
  const { _tag, left, right } = await prism.request(input, [operation])();
  if (_tag === "Left") throw left;
  const { statusCode, headers, body } = right.output;
  response.writeHead(statusCode, headers).end(typeof body === "string" ? body : body && JSON.stringify(body));
}

async function inputOf(request) {
  const url = new URL(request.url, base);
  const query = {};
  for (const name of url.searchParams.keys()) {
    const values = url.searchParams.getAll(name);
    query[name] = values.length === 1 ? values[0] : values;
  }
  const body = (await bodyOf(request, 8 << 20)).toString();
  const isJson = request.headers["content-type"]?.startsWith("application/json");
  return {
    method: request.method.toLowerCase(),
    url: { path: url.pathname.startsWith(below) ? url.pathname.slice(below.length) : url.pathname, query },
    // GitHub asks for this media type of its own and describes its answers as plain JSON.
    headers: { ...request.headers, accept: request.headers.accept?.replace("vnd.github+json", "json") },
    body: isJson ? JSON.parse(body) : body || undefined,
  };
}

/** The operation that is called; of several, that with the fewest variables. */
function operationOf({ method, url }) {
  const fitting = operations.filter((each) => each.method === method && pattern(each.path).test(url.path));
  const variables = (each) => each.path.split("{").length;
  return fitting.sort((left, right) => variables(left) - variables(right))[0];
}

function pattern(template) {
  const parts = template.split(/\{[^}]*\}/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]+")}$`);
}

function breachesOf(operation, input) {
  const found = validateInput({ resource: operation, element: input });
  const errors = found._tag === "Left" ? found.left.filter((each) => each.severity === 0) : [];
  const told = errors.map((each) => `${(each.path ?? []).join(".")}: ${each.message}`);
  return [...told, ...unknown("parameter", input.url.query, operation.request?.query), ...unknownFields(operation, input)];
}

function unknown(what, given, known = []) {
  const names = new Set(known.map((each) => each.name));
  return Object.keys(given).filter((name) => !names.has(name)).map((name) => `there is no ${what} ${name}`);
}

/** Fields of a form or of a JSON object that the document does not name. */
function unknownFields(operation, { body, headers }) {
  const type = headers["content-type"]?.split(";")[0];
  const schema = operation.request?.body?.contents?.find((each) => each.mediaType === type)?.schema;
  if (!schema?.properties || schema.additionalProperties) return [];
  const isForm = type === "application/x-www-form-urlencoded";
  const given = isForm ? Object.fromEntries(new URLSearchParams(body)) : body;
  return unknown("field", given ?? {}, Object.keys(schema.properties).map((name) => ({ name })));
}
