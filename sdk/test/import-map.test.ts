import { describe, expect, it } from "vitest";
import { importMap, importMapText } from "../src/index.js";

describe("importMap", () => {
  it("maps each bundle with an integrity", () => {
    const plugins = [
      { bundleUrl: "/plugins/bundles/a/v1.0.0/a.js", integrity: "sha384-a" },
      { bundleUrl: "https://cdn.example.com/b.js", integrity: "sha384-b" },
      { bundleUrl: "/plugins/bundles/c/v1.0.0/c.js" },
    ];
    const options = { server: "https://plugins.example.com", imports: { react: "/vendor/react.js" } };
    expect(importMap(plugins, options)).toEqual({
      imports: { react: "/vendor/react.js" },
      integrity: {
        "https://plugins.example.com/plugins/bundles/a/v1.0.0/a.js": "sha384-a",
        "https://cdn.example.com/b.js": "sha384-b",
      },
    });
  });

  it("refuses two integrities for one address", () => {
    const same = { bundleUrl: "/a.js", integrity: "sha384-a" };
    expect(importMap([same, { ...same }]).integrity).toEqual({ "/a.js": "sha384-a" });
    expect(() => importMap([same, { ...same, integrity: "sha384-b" }])).toThrow("two integrities");
  });

  it("cannot end the script element it stands in", () => {
    const text = importMapText(importMap([], { imports: { "</script>": "/x.js" } }));
    expect(text).not.toContain("<");
    expect(JSON.parse(text).imports).toEqual({ "</script>": "/x.js" });
  });
});
