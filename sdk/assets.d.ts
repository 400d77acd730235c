/**
 * What the bundler makes of files that are not code:
 * `/// <reference types="@jackfield/plugin-sdk/assets" />` in one file of a plugin.
 */

/** Adds the style sheet to the page; the text is also the default export. */
declare module "*.css" {
  const text: string;
  export default text;
}

/** A small image or font as a `data:` URL. */
declare module "*.svg" {
  const url: string;
  export default url;
}
declare module "*.png" {
  const url: string;
  export default url;
}
declare module "*.jpg" {
  const url: string;
  export default url;
}
declare module "*.webp" {
  const url: string;
  export default url;
}
declare module "*.woff2" {
  const url: string;
  export default url;
}
