import { type BackendRequest, defineBackendPlugin, errorResponse } from "@jackfield/plugin-sdk/server";

/** Runs on the server, for each tenant by itself. `src/index.tsx` calls it by `usePlatformSDK().backend`. */
export default defineBackendPlugin({
  routes: [
    { method: "GET", path: "/clicks", handler: "readClicks" },
    { method: "POST", path: "/clicks", handler: "addClicks" },
  ],
  handlers: {
    async readClicks(_req, ctx) {
      return { clicks: (await ctx.storage.get<number>("clicks")) ?? 0 };
    },

    async addClicks(req: BackendRequest<{ count?: unknown } | undefined>, ctx) {
      // Anybody who is signed in can send anything.
      const { count = 1 } = req.body ?? {};
      if (typeof count !== "number" || !Number.isInteger(count) || count < 1 || count > 100) {
        return errorResponse(422, "count must be a whole number from 1 to 100");
      }
      const clicks = await ctx.storage.increment("clicks", count);
      ctx.logger.info("clicked", { clicks, by: req.user?.id });
      return { clicks };
    },
  },
});
