// Module hooks (node:module) that change two lines of emulate 0.11.2 as it is loaded, because it has no option for
// them: any unknown token is taken for the first user's, and it listens on a port chosen beforehand on all addresses.
const changes = [
  ["const fallbackUser = entry.defaultFallback(svcSeedConfig);", "const fallbackUser = undefined;"],
  ["const httpServer = serve({ fetch: app.fetch, port });", "const httpServer = options.serve(app.fetch, store);"],
];

export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (!url.endsWith("/emulate/dist/api.js")) return loaded;
  let source = loaded.source.toString();
  for (const [from, to] of changes) {
    if (source.split(from).length !== 2) throw new Error(`emulate is not the version that this was made for: ${from}`);
    source = source.replace(from, () => to);
  }
  return { ...loaded, source };
}
