import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PluginDefinition } from "@jackfield/plugin-sdk";

const root = join(import.meta.dirname, "..");
// A backend alone has no page that would say anything.
const folders = readdirSync(root).filter((name) => ["plugin.json", "src/index.tsx"].every((file) => existsSync(join(root, name, file))));

describe.each(folders)("%s", (folder) => {
  // A build takes longer than usual on a machine that is busy elsewhere.
  it("says in code what its manifest says", { timeout: 60_000 }, async () => {
    const manifest = JSON.parse(readFileSync(join(root, folder, "plugin.json"), "utf8"));
    const { default: plugin } = (await import(`../${folder}/src/index.tsx`)) as { default: PluginDefinition };
    expect(manifest.id).toBe(folder);
    const { name, version, description, category } = manifest;
    expect(plugin).toMatchObject({ name, version, description, category, metadata: manifest.metadata });
    expect(Object.keys(plugin.extensionPoints)).toEqual(manifest.extensionPoints);
  });
});
