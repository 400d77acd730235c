/** Describing a backend. */
import type { BackendDefinition, Handler } from "./types.js";

/**
 * Describes a backend; the module that the manifest names as `backend.entryPoint` exports the result by default. Routes and
 * hooks may name the handlers that are there and no others.
 *
 * ```ts
 * export default defineBackendPlugin({
 *   routes: [{ method: "GET", path: "/orders/:id", handler: "getOrder" }],
 *   handlers: {
 *     async getOrder(req, ctx) {
 *       const id = req.params["id"] ?? "";
 *       // What callers send is checked before it becomes part of a key.
 *       const order = /^\d{1,15}$/.test(id) ? await ctx.storage.get(`order:${id}`) : null;
 *       return order ?? errorResponse(404, "there is no such order");
 *     },
 *   },
 * });
 * ```
 */
export function defineBackendPlugin<const Handlers extends Record<string, Handler>>(
  definition: BackendDefinition<Handlers>,
): BackendDefinition<Handlers> {
  return definition;
}
