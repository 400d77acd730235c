// Makes the component that runs plugins: node make.mjs OUTPUT
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { componentize } from "componentize-qjs";

const folder = dirname(fileURLToPath(import.meta.url));
const jsPath = join(folder, "src", "main.js");
const { component } = await componentize({
  witPath: join(folder, "wit"),
  world: "backend",
  jsSource: readFileSync(jsPath, "utf8"),
  jsPath,
  moduleRoot: folder,
});
writeFileSync(process.argv[2], component);
