import { afterEach, describe, expect, it } from "vitest";
import * as React from "react";
import * as ReactDOM from "react-dom";
import * as jsxRuntime from "react/jsx-runtime";
import * as sdk from "../src/index.js";
import { HOST_SYMBOL, type HostRegistration, provideHost } from "../src/index.js";

const modules = { react: React, reactDom: ReactDOM, jsxRuntime, sdk };
const page = globalThis as { [HOST_SYMBOL]?: HostRegistration };

afterEach(() => void delete page[HOST_SYMBOL]);

describe("provideHost", () => {
  it("offers the modules under the agreed key", () => {
    provideHost(modules);
    const host = (globalThis as Record<symbol, unknown>)[Symbol.for("jackfield.host.v1")] as HostRegistration;
    expect(host.version).toBe(1);
    expect(host.modules["react"]).toBe(React);
    expect(host.modules["react-dom"]).toBe(ReactDOM);
    expect(host.modules["react/jsx-runtime"]).toBe(jsxRuntime);
    expect(host.modules["@jackfield/plugin-sdk"]).toBe(sdk);
    expect(host.modules).not.toHaveProperty("react-dom/client");
  });

  it("makes a development runtime that keeps keys out of the props", () => {
    const dev = provideHost(modules).modules["react/jsx-dev-runtime"] as {
      jsxDEV(type: string, props: object, key: string, isStatic: boolean): React.ReactElement;
    };
    const element = dev.jsxDEV("li", { children: "one" }, "k1", false);
    expect(element.key).toBe("k1");
    expect(element.props).toEqual({ children: "one" });
  });

  it("is content to be called again with the same React", () => {
    const first = provideHost(modules);
    expect(provideHost({ ...modules, react: { ...React } })).toBe(first);
  });

  it("refuses a second React, and says why", () => {
    provideHost(modules);
    const other = { ...React, useState: () => [], version: "19.0.0" };
    expect(() => provideHost({ ...modules, react: other })).toThrow(/another React.*one React only/s);
  });

  it("refuses an old React and a default import", () => {
    expect(() => provideHost({ ...modules, react: { ...React, version: "17.0.2" } })).toThrow("React 18 or newer");
    expect(() => provideHost({ ...modules, jsxRuntime: { default: jsxRuntime } })).toThrow('"jsx" is missing');
    expect(page[HOST_SYMBOL]).toBeUndefined();
  });
});
