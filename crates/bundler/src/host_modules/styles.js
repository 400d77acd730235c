// One style sheet for each text and document; a new version of the text replaces the old one's sheet.
export default function (id, text) {
  if (typeof document === "undefined" || !document.adoptedStyleSheets) return;
  var key = Symbol.for("jackfield.styles.v1");
  var sheets = document[key] || (document[key] = new Map());
  var known = sheets.get(id);
  if (known && known.text === text) return;
  var sheet = known ? known.sheet : new CSSStyleSheet();
  sheet.replaceSync(text);
  sheets.set(id, { text: text, sheet: sheet });
  if (!known) document.adoptedStyleSheets = document.adoptedStyleSheets.concat(sheet);
}
