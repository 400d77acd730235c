import { afterEach, describe, expect, it } from "vitest";
import { forwardRef, memo } from "react";
import { createExtensionPoint, definePlugin, registerExtensionPoint } from "../src/index.js";
import { takeRegistered } from "../src/define.js";

const Widget = () => null;
const Settings = () => null;

afterEach(() => void takeRegistered());

describe("definePlugin", () => {
  it("keeps what the author wrote", () => {
    const plugin = definePlugin({
      name: "Credit Card Payments",
      version: "1.0.0",
      description: "Takes cards",
      category: "payment",
      metadata: { author: "Payment Solutions Inc", priority: 10, displayName: "Credit Card" },
      extensionPoints: { "payment-methods": Widget, "admin-settings": Settings },
    });
    expect(plugin.extensionPoints).toEqual({ "payment-methods": Widget, "admin-settings": Settings });
    expect(plugin).toMatchObject({ name: "Credit Card Payments", version: "1.0.0", metadata: { priority: 10 } });
  });

  it("takes the older form, named in metadata", () => {
    const metadata = { id: "my-plugin", name: "My Plugin", version: "1.0.0", priority: 100 };
    expect(definePlugin({ metadata, extensionPoints: { "admin-settings": Settings } }).metadata).toEqual(metadata);
  });

  it("adds what was registered, once", () => {
    registerExtensionPoint("dashboard-widgets", Widget);
    const first = definePlugin({ name: "a", version: "1.0.0", extensionPoints: { "admin-settings": Settings } });
    const second = definePlugin({ name: "b", version: "1.0.0" });
    expect(first.extensionPoints).toEqual({ "dashboard-widgets": Widget, "admin-settings": Settings });
    expect(second.extensionPoints).toEqual({});
  });

  it("does not change the object it was given", () => {
    const extensionPoints = { "admin-settings": Settings };
    registerExtensionPoint("dashboard-widgets", Widget);
    definePlugin({ name: "a", version: "1.0.0", extensionPoints });
    expect(Object.keys(extensionPoints)).toEqual(["admin-settings"]);
  });

  it("accepts memo and forwardRef components", () => {
    const points = { a: memo(Widget), b: forwardRef(Widget) };
    expect(definePlugin({ name: "a", version: "1.0.0", extensionPoints: points }).extensionPoints).toEqual(points);
  });

  it("names the point that has no component", () => {
    const missing = undefined as unknown as () => null;
    const define = () => definePlugin({ name: "a", version: "1.0.0", extensionPoints: { "payment-methods": missing } });
    expect(define).toThrow('"payment-methods" of plugin "a" must be a React component, but is undefined');
  });

  it("refuses two components for one point", () => {
    registerExtensionPoint("admin-settings", Widget);
    expect(() => registerExtensionPoint("admin-settings", Settings)).toThrow("registered twice");
    const define = () => definePlugin({ name: "a", version: "1.0.0", extensionPoints: { "admin-settings": Settings } });
    expect(define).toThrow("two components");
  });

  it("refuses a plugin without a name", () => {
    expect(() => definePlugin({ name: "", version: "1.0.0" })).toThrow("needs a name");
  });
});

describe("createExtensionPoint", () => {
  it("returns the same component", () => {
    const Typed = createExtensionPoint<{ amount: number }>(({ amount, config, sdk, context }) => {
      const shown: string = `${amount} ${context.amount} ${String(config["label"])} ${sdk.pluginId}`;
      return shown;
    });
    expect(createExtensionPoint(Typed)).toBe(Typed);
  });
});
