/** What the browser tests ask of a Jackfield server in `--dev` mode, over HTTP. */
import { readdir, readFile } from "node:fs/promises";
import { join, relative, sep } from "node:path";

/** A server, seen as the administrator of one tenant. */
export class Jackfield {
  /**
   * @param {string} server
   * @param {string} tenant
   * @param {string} [token] the administrator's, where the server is not in `--dev` mode
   */
  constructor(server, tenant, token) {
    this.server = server;
    this.tenant = tenant;
    this.headers = { "x-tenant-id": tenant, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  }

  /**
   * Publishes the plugin in a folder, unless its version is there already.
   * @param {string} folder
   * @param {Record<string, unknown>} [changed] fields of the manifest
   * @param {(source: string) => string} [edit] of each file
   * @returns {Promise<string>} its id
   */
  async publish(folder, changed = {}, edit = (source) => source) {
    const manifest = { ...JSON.parse(await readFile(join(folder, "plugin.json"), "utf8")), ...changed };
    const files = Object.fromEntries(Object.entries(await filesOf(folder)).map(([name, source]) => [name, edit(source)]));
    const isNext = changed["version"] !== undefined;
    const [method, path] = isNext ? ["PUT", `/plugins/${manifest.id}`] : ["POST", "/plugins"];
    const answer = await this.send(method, path, { ...manifest, files });
    if (![200, 201, 409].includes(answer.status)) throw await refusal(`publish ${manifest.id}`, answer);
    return manifest.id;
  }

  /** @param {string} pluginId */
  async install(pluginId) {
    await this.expect(201, "POST", "/plugins/install", { pluginId });
  }

  /**
   * @param {string} pluginId
   * @param {boolean} enabled
   */
  async setEnabled(pluginId, enabled) {
    await this.expect(200, "PUT", `/plugins/${pluginId}/status`, { enabled });
  }

  /**
   * @param {string} pluginId
   * @param {Record<string, unknown>} configuration
   */
  async configure(pluginId, configuration) {
    await this.expect(200, "PUT", `/plugins/${pluginId}/config`, configuration);
  }

  /**
   * @param {string} pluginId
   * @param {string} version
   */
  async upgrade(pluginId, version) {
    await this.expect(200, "POST", "/plugins/upgrade", { pluginId, version });
  }

  /** @param {string} pluginId */
  async uninstall(pluginId) {
    await this.expect(200, "POST", "/plugins/uninstall", { pluginId });
  }

  /**
   * The address where a plugin takes webhooks in this tenant.
   * @param {string} pluginId
   * @returns {Promise<string>}
   */
  async webhookUrl(pluginId) {
    const answer = await fetch(`${this.server}/plugins/${pluginId}/webhook-url`, { headers: this.headers });
    if (answer.status !== 200) throw await refusal(`webhook-url of ${pluginId}`, answer);
    return /** @type {{ url: string }} */ (await answer.json()).url;
  }

  /**
   * The public list of the tenant's enabled plugins at a point.
   * @param {string} point
   * @returns {Promise<any[]>}
   */
  async enabledAt(point) {
    const query = new URLSearchParams({ organizationId: this.tenant, extensionPoint: point });
    const answer = await fetch(`${this.server}/plugins/public/organizations/enabled?${query}`);
    if (answer.status !== 200) throw await refusal(`list ${point}`, answer);
    return /** @type {any[]} */ (await answer.json());
  }

  /**
   * @param {number} status
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   */
  async expect(status, method, path, body) {
    const answer = await this.send(method, path, body);
    if (answer.status !== status) throw await refusal(`${method} ${path}`, answer);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} body
   */
  send(method, path, body) {
    return fetch(this.server + path, {
      method,
      headers: { "content-type": "application/json", ...this.headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
  }

  /**
   * Publishes an event.
   * @param {string} type
   * @param {unknown} data
   */
  async say(type, data) {
    const event = { specversion: "1.0", id: crypto.randomUUID(), source: "https://shop.example", type, data };
    const answer = await fetch(`${this.server}/events`, {
      method: "POST",
      headers: { "content-type": "application/cloudevents+json", ...this.headers },
      body: JSON.stringify(event),
    });
    if (answer.status !== 202) throw await refusal(`publish ${type}`, answer);
  }
}

/**
 * @param {string} what
 * @param {Response} answer
 */
async function refusal(what, answer) {
  return new Error(`${what}: ${answer.status} ${await answer.text()}`);
}

/**
 * The sources of a plugin by their path; all of them are text.
 * @param {string} folder
 * @returns {Promise<Record<string, string>>}
 */
async function filesOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = files.map(async (file) => [relative(folder, file).split(sep).join("/"), await readFile(file, "utf8")]);
  return Object.fromEntries(await Promise.all(read));
}
