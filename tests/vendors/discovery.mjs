// Google's discovery documents as OpenAPI 3.0. https://developers.google.com/discovery/v1/reference/apis

/** The document, with each upload beside its operation. What requests say must be known to it. */
export function openapi(document) {
  const paths = {};
  for (const method of methods(document)) {
    const about = operation(method, document);
    add(paths, `/${document.servicePath}${method.path}`, method.httpMethod, about);
    const upload = method.mediaUpload?.protocols.simple?.path;
    if (upload) add(paths, upload, method.httpMethod, { ...about, requestBody: anything });
  }
  const schemas = Object.entries(document.schemas).map(([name, schema]) => [name, converted(schema)]);
  return {
    openapi: "3.0.3",
    info: { title: document.title, version: document.revision },
    paths,
    components: { schemas: Object.fromEntries(schemas) },
  };
}

const anything = { content: { "*/*": {} } };

function* methods(node) {
  yield* Object.values(node.methods ?? {});
  for (const resource of Object.values(node.resources ?? {})) yield* methods(resource);
}

function add(paths, path, httpMethod, about) {
  // {+name} takes slashes, too; no such operation is called.
  (paths[path.replace("{+", "{")] ??= {})[httpMethod.toLowerCase()] = about;
}

function operation(method, document) {
  const parameters = { ...document.parameters, uploadType: { type: "string", location: "query" }, ...method.parameters };
  const answer = method.response ? json({ $ref: reference(method.response.$ref) }) : {};
  return {
    operationId: method.id,
    parameters: Object.entries(parameters).map(([name, about]) => parameter(name, about)),
    requestBody: method.request && json({ $ref: reference(method.request.$ref) }),
    responses: { [method.response ? 200 : 204]: { description: "", ...answer } },
  };
}

function parameter(name, { location, required, repeated, description, ...rest }) {
  const schema = converted(rest);
  return {
    name,
    in: location,
    required: location === "path" || required === true,
    schema: repeated ? { type: "array", items: schema } : schema,
  };
}

const json = (schema) => ({ content: { "application/json": { schema } } });

const reference = (name) => `#/components/schemas/${name}`;

/** Those that OpenAPI has, too; sizes of numbers are left out, as the examples would be the least of them. */
const FORMATS = ["date", "date-time", "float", "double"];

function converted(schema) {
  if (schema.$ref) return { $ref: reference(schema.$ref) };
  if (schema.type === "any") return {};
  const { type, format, minimum, maximum, items, properties, additionalProperties } = schema;
  const result = { type, enum: schema.enum };
  if (FORMATS.includes(format)) result.format = format;
  // Google's bytes are base64url (RFC 4648, section 5), OpenAPI's are not.
  if (format === "byte") result.pattern = "^[A-Za-z0-9_-]*={0,2}$";
  if (type === "string" && ["int64", "uint64"].includes(format)) Object.assign(result, { pattern: "^[0-9]+$", example: "1" });
  if (minimum !== undefined && type !== "string") result.minimum = Number(minimum);
  if (maximum !== undefined && type !== "string") result.maximum = Number(maximum);
  if (items) result.items = converted(items);
  if (type !== "object") return result;
  const named = Object.entries(properties ?? {}).map(([name, property]) => [name, converted(property)]);
  result.properties = Object.fromEntries(named);
  result.additionalProperties = additionalProperties ? converted(additionalProperties) : false;
  return result;
}
