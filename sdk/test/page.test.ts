import { afterEach, expect, it, vi } from "vitest";
import { browserPage, type PageChange } from "../src/live/page.js";

afterEach(() => vi.restoreAllMocks());

it("tells what happens to the browser's page, until nobody listens", () => {
  const page = browserPage();
  const told: PageChange[] = [];
  const unlisten = page.listen((change) => void told.push(change));
  const become = (visibility: DocumentVisibilityState) => {
    vi.spyOn(document, "visibilityState", "get").mockReturnValue(visibility);
    document.dispatchEvent(new Event("visibilitychange"));
  };
  become("hidden");
  expect(page.isShown()).toBe(false);
  become("visible");
  expect(page.isShown()).toBe(true);
  window.dispatchEvent(new Event("pagehide"));
  window.dispatchEvent(new Event("pageshow"));
  window.dispatchEvent(new Event("online"));
  expect(told).toEqual(["hidden", "shown", "left", "shown", "online"]);
  unlisten();
  become("hidden");
  window.dispatchEvent(new Event("online"));
  expect(told).toHaveLength(5);
});
