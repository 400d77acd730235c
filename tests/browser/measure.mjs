/** Measures in the page: how far it is too wide, and the contrast of its texts (WCAG 2.2, 1.4.3). */
export function measure() {
  const channels = (/** @type {string} */ color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (/** @type {number[]} */ rgb) => {
    const linear = rgb.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * (linear[0] ?? 0) + 0.7152 * (linear[1] ?? 0) + 0.0722 * (linear[2] ?? 0);
  };
  const ground = (/** @type {Element | null} */ element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = channels(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || (color[3] ?? 1) > 0) return color;
    }
    return [255, 255, 255];
  };
  /** @type {[string, number][]} */
  const contrast = [];
  for (const element of document.querySelectorAll("h1, h2, p, dt, dd, label, button, a, summary, span")) {
    if (!element.textContent?.trim() || element.classList.contains("hidden")) continue;
    const [a = 0, b = 0] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))].sort((x, y) => y - x);
    contrast.push([element.textContent.trim().slice(0, 40), (a + 0.05) / (b + 0.05)]);
  }
  return { overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth, contrast };
}
