// The vendors' own descriptions of their APIs, as OpenAPI documents.
import { readFile } from "node:fs/promises";
import { openapi } from "./discovery.mjs";

/**
 * The document of a vendor, from the folder that scripts/vendor-documents prints, with what newer documentation has
 * added to it.
 */
export async function documentOf(vendor, folder) {
  const read = async (place) => JSON.parse(await readFile(place));
  if (vendor in DISCOVERY) return openapi(await read(`${folder}/${DISCOVERY[vendor]}`));
  const document = await read(`${folder}/${OPENAPI[vendor]}`);
  const { paths, parameters } = (await read(new URL("additions.json", import.meta.url)))[vendor] ?? {};
  Object.assign(document.paths, paths);
  for (const operation of Object.values(document.paths).flatMap((path) => Object.values(path))) {
    operation.parameters = changed(operation.parameters ?? [], parameters ?? {});
  }
  if (vendor === "slack") Object.values(document.paths).forEach(alsoByPost);
  return document;
}

/** Parameters with those that all operations take, and without those that are null: where the token stands. */
function changed(own, further) {
  const kept = own.filter((parameter) => further[parameter.name] !== null);
  const added = Object.entries(further).filter(([, schema]) => schema !== null);
  return [...kept, ...added.map(([name, schema]) => ({ name, in: "query", schema }))];
}

/** Slack takes each method by POST with a form, too (https://docs.slack.dev/apis/web-api/); its document has one way. */
function alsoByPost(path) {
  if (!path.get || path.post) return;
  const { parameters, ...operation } = path.get;
  const fields = parameters.filter((parameter) => parameter.in === "query").map(({ name, schema, type }) => [name, schema ?? { type }]);
  const schema = { type: "object", properties: Object.fromEntries(fields) };
  path.post = { ...operation, operationId: undefined, requestBody: { content: { "application/x-www-form-urlencoded": { schema } } } };
}

const DISCOVERY = { gmail: "gmail.v1.json", drive: "drive.v3.json", calendar: "calendar.v3.json" };

const OPENAPI = {
  bitbucket: "bitbucket.org.json",
  github: "api.github.com.json",
  jira: "jira.json",
  slack: "slack.com.json",
};
