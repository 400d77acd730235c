/** The author's side: describing a plugin. */
import type { ComponentType } from "react";
import type {
  ExtensionPointComponent,
  ExtensionPointComponents,
  ExtensionPointMap,
  ExtensionPointProps,
  PluginDefinition,
  PluginSpec,
} from "./types.js";

// Modules of one bundle are evaluated in one go, so what waits here belongs to the `definePlugin` that follows.
const registered = new Map<string, ExtensionPointComponent>();

/**
 * Describes a plugin; the module exports the result by default. Its `extensionPoints` are those of the
 * description together with those registered before by `registerExtensionPoint`.
 *
 * @throws TypeError if a value is not a component (a circular import leaves `undefined`), or if a point
 * is both described and registered with different components.
 */
export function definePlugin(spec: PluginSpec): PluginDefinition {
  const waiting = takeRegistered();
  const name = spec.name ?? spec.metadata?.name ?? "";
  if (name === "") throw new TypeError("a plugin needs a name: definePlugin({ name, version, … })");
  const points: Record<string, ExtensionPointComponent> = { ...spec.extensionPoints };
  for (const [point, component] of waiting) {
    if (Object.hasOwn(points, point) && points[point] !== component) {
      throw new TypeError(`extension point "${point}" of plugin "${name}" has two components; keep one`);
    }
    points[point] = component;
  }
  for (const [point, component] of Object.entries(points)) requireComponent(component, point, name);
  return { ...spec, extensionPoints: points as ExtensionPointComponents };
}

/**
 * Adds a component to the plugin that this bundle defines. Call it at the top level of a module, before
 * `definePlugin` runs. Returns the component.
 *
 * @throws TypeError if the point already has another component, or the value is not a component.
 */
export function registerExtensionPoint<Point extends keyof ExtensionPointMap & string>(
  point: Point,
  component: ComponentType<ExtensionPointProps<ExtensionPointMap[Point]>>,
): ComponentType<ExtensionPointProps<ExtensionPointMap[Point]>>;
export function registerExtensionPoint<Component extends ExtensionPointComponent>(
  point: string,
  component: Component,
): Component;
export function registerExtensionPoint(point: string, component: ExtensionPointComponent): ExtensionPointComponent {
  requireComponent(component, point, "");
  const before = registered.get(point);
  if (before !== undefined && before !== component) {
    throw new TypeError(`extension point "${point}" is registered twice; keep one component for it`);
  }
  registered.set(point, component);
  return component;
}

/**
 * Gives a component the props of an extension point, and returns the same component:
 * `createExtensionPoint<PaymentProps>(({ amount, config, sdk }) => …)`.
 */
export function createExtensionPoint<Props = unknown, Config = Record<string, unknown>>(
  component: ComponentType<ExtensionPointProps<Props, Config>>,
): ComponentType<ExtensionPointProps<Props, Config>> {
  requireComponent(component, "createExtensionPoint", "");
  return component;
}

/**
 * Removes and returns what was registered and not yet taken. The loader calls it after each import so that
 * what a broken bundle left behind never reaches the next plugin.
 */
export function takeRegistered(): ReadonlyMap<string, ExtensionPointComponent> {
  const taken = new Map(registered);
  registered.clear();
  return taken;
}

function requireComponent(value: unknown, point: string, plugin: string): void {
  // Objects are components too: memo, forwardRef and lazy return one with `$$typeof`.
  const component =
    typeof value === "function" || (typeof value === "object" && value !== null && "$$typeof" in value);
  if (component) return;
  const where = plugin === "" ? "" : ` of plugin "${plugin}"`;
  throw new TypeError(`"${point}"${where} must be a React component, but is ${value === null ? "null" : typeof value}`);
}
