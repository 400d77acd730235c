//! Plugins that must be refused, and what must be said of each: one list, which the command line for authors and the
//! server are both held against.

use model::ErrorCode;
use serde_json::{Map, Value, json};

/// The file that nearly every bad source is in.
const INDEX: &str = "src/index.tsx";

/// A plugin that must be refused.
#[derive(Debug, Clone)]
pub struct BadPlugin {
    /// What is wrong with it.
    pub name: &'static str,
    /// The manifest.
    pub manifest: Value,
    /// The other files, by path.
    pub files: Vec<(String, String)>,
    /// The kind of the refusal.
    pub code: ErrorCode,
    /// The pointer of an error that must be among `errors`; `None` where the refusal has none.
    pub pointer: Option<&'static str>,
    /// What the detail of that error (or of the refusal) must contain.
    pub says: &'static str,
    /// Where in the file of the pointer the mistake is: line and column, both from 1.
    pub place: Option<(u32, u32)>,
}

impl BadPlugin {
    /// Every file of its folder, `plugin.json` among them, by path.
    pub fn folder(&self) -> Vec<(String, String)> {
        let manifest = ("plugin.json".to_owned(), self.manifest.to_string());
        std::iter::once(manifest).chain(self.files.clone()).collect()
    }

    /// The body of `POST /plugins` that sends it, with every file of its folder.
    pub fn body(&self) -> Value {
        let mut body = self.manifest.clone();
        let files: Map<String, Value> =
            self.folder().into_iter().map(|(path, text)| (path, text.into())).collect();
        if let Value::Object(fields) = &mut body {
            fields.insert("files".to_owned(), Value::Object(files));
        }
        body
    }

    /// The detail that must contain [`BadPlugin::says`], in the `errors` of a refusal and its own `detail`.
    ///
    /// # Errors
    /// If there is none at the pointer.
    pub fn detail<'a>(&self, errors: &'a [Value], detail: &'a str) -> Result<&'a str, String> {
        let Some(pointer) = self.pointer else { return Ok(detail) };
        let mut at =
            errors.iter().filter(|error| error.get("pointer").and_then(Value::as_str) == Some(pointer));
        let found = at.next().and_then(|error| error.get("detail")).and_then(Value::as_str);
        found.ok_or_else(|| format!("{}: no error at {pointer:?} among {errors:?}", self.name))
    }

    /// Checks a refusal: its code, and the error at the pointer with what it says and its place.
    ///
    /// # Errors
    /// With what differs.
    pub fn verify(&self, refusal: &Value) -> Result<(), String> {
        let text = |name: &str| refusal.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("code") != self.code.as_str() {
            return Err(format!("{}: {} instead of {}: {refusal:#}", self.name, text("code"), self.code));
        }
        let errors = refusal.get("errors").and_then(Value::as_array).cloned().unwrap_or_default();
        let detail = self.detail(&errors, text("detail"))?;
        if !detail.contains(self.says) {
            return Err(format!("{}: {detail:?} does not say {:?}", self.name, self.says));
        }
        if let Some((line, column)) = self.place
            && !detail.contains(&format!(":{line}:{column}: "))
        {
            return Err(format!("{}: {detail:?} is not at {line}:{column}", self.name));
        }
        Ok(())
    }
}

/// Every plugin that must be refused.
pub fn bad_plugins() -> Vec<BadPlugin> {
    [manifests(), sources(), imports(), sizes()].into_iter().flatten().collect()
}

/// A manifest that is right.
fn manifest() -> Value {
    json!({"id": "bad-plugin", "name": "Bad plugin", "version": "1.0.0", "category": "widget"})
}

/// A source that is right, after `head`.
fn source(head: &str) -> String {
    format!("{head}\nexport default {{ name: \"Bad plugin\", extensionPoints: {{ widget: () => null }} }};\n")
}

fn of_manifest(
    name: &'static str,
    (key, value): (&str, Value),
    pointer: &'static str,
    says: &'static str,
) -> BadPlugin {
    let mut manifest = manifest();
    if let Value::Object(fields) = &mut manifest {
        fields.insert(key.to_owned(), value);
    }
    let files = vec![(INDEX.to_owned(), source(""))];
    let code = ErrorCode::ValidationFailed;
    BadPlugin { name, manifest, files, code, pointer: Some(pointer), says, place: None }
}

fn manifests() -> Vec<BadPlugin> {
    vec![
        of_manifest("an id with a path", ("id", json!("../card")), "/id", "plugin id"),
        of_manifest("an id that is a route", ("id", json!("install")), "/id", "reserved"),
        of_manifest("an id that is too long", ("id", json!("a".repeat(101))), "/id", "1 to 100"),
        of_manifest("no version", ("version", Value::Null), "/version", "MAJOR.MINOR.PATCH"),
        of_manifest("a version of two parts", ("version", json!("1.0")), "/version", "MAJOR.MINOR.PATCH"),
        of_manifest("a range for a version", ("version", json!("^1.0.0")), "/version", "MAJOR.MINOR.PATCH"),
        of_manifest("no name", ("name", json!("")), "/name", "1 to 200"),
        of_manifest(
            "a wrong platform version",
            ("minPlatformVersion", json!("2")),
            "/minPlatformVersion",
            "MAJOR.MINOR.PATCH",
        ),
        of_manifest(
            "a wrong range",
            ("compatibleVersions", json!(["1.x", "newest"])),
            "/compatibleVersions/1",
            "range",
        ),
        of_manifest(
            "a wrong range of a dependency",
            ("dependencies", json!({"tax/eu": "1", "tax": "newest"})),
            "/dependencies/tax",
            "range",
        ),
        of_manifest(
            "a dependency on itself",
            ("dependencies", json!({"bad-plugin": "1"})),
            "/dependencies/bad-plugin",
            "itself",
        ),
        of_manifest("an unknown key", ("extentionPoints", json!([])), "/extentionPoints", "extensionPoints"),
        of_manifest("a text for a list", ("extensionPoints", json!("widget")), "/extensionPoints", ""),
        of_manifest(
            "an extension point that the program lacks",
            ("extensionPoints", json!(["widget", "dashboard"])),
            "/extensionPoints/1",
            "widget",
        ),
        of_manifest(
            "a wrong schema",
            ("configSchema", json!({"type": "objekt"})),
            "/configSchema/type",
            "objekt",
        ),
        of_manifest("a schema that is none", ("configSchema", json!(5)), "/configSchema", ""),
        of_manifest(
            "a script for an icon",
            ("metadata", json!({"iconUrl": "javascript:alert(1)"})),
            "/metadata/iconUrl",
            "http",
        ),
    ]
}

fn of_files(name: &'static str, files: &[(&str, &str)], says: &'static str, at: (u32, u32)) -> BadPlugin {
    BadPlugin {
        name,
        manifest: manifest(),
        files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
        code: ErrorCode::BuildFailed,
        pointer: Some("/files/src~1index.tsx"),
        says,
        place: Some(at),
    }
}

fn sources() -> Vec<BadPlugin> {
    let parentheses = format!("export default {}1{};\n", "(".repeat(60_000), ")".repeat(60_000));
    let elements = format!("export default () => {}x{};\n", "<a>".repeat(5_000), "</a>".repeat(5_000));
    let index = |text: &str| -> Vec<(String, String)> { vec![(INDEX.to_owned(), text.to_owned())] };
    let no_place = |name, files, pointer, says| {
        let code = ErrorCode::BuildFailed;
        BadPlugin { name, manifest: manifest(), files, code, pointer: Some(pointer), says, place: None }
    };
    let named_entry = BadPlugin {
        manifest: json!({"id": "bad-plugin", "name": "Bad plugin", "version": "1.0.0", "category": "widget", "entry": "src/main.tsx"}),
        ..no_place("an entry that is not there", index(&source("")), "", "src/main.tsx")
    };
    vec![
        of_files(
            "a syntax error",
            &[(INDEX, "const a = 1;\nconst b = ;\nexport default { a, b };\n")],
            "",
            (2, 11),
        ),
        of_files(
            "a tag that is not closed",
            &[(INDEX, "const a = 1;\nexport default () => <p>\n")],
            "",
            (2, 25),
        ),
        of_files("60,000 nested parentheses", &[(INDEX, &parentheses)], "nest", (1, 1_016)),
        no_place("5,000 nested elements", index(&elements), "/files/src~1index.tsx", "nest"),
        no_place("no entry", vec![("src/other.ts".to_owned(), source(""))], "", "no entry"),
        named_entry,
        no_place("no default export", index("export const a = 1;\n"), "/files/src~1index.tsx", "default"),
    ]
}

fn imports() -> Vec<BadPlugin> {
    let index = |head: &str| source(&format!("import a from \"react\";\n{head}\nconsole.log(a);"));
    let case = |name, head: &str, says| of_files(name, &[(INDEX, &index(head))], says, (2, 15));
    let data = index("import b from \"./data.json\"; console.log(b);");
    let named = index("import { b } from \"./b\"; console.log(b);");
    let broken_json = BadPlugin {
        pointer: Some("/files/src~1data.json"),
        place: None,
        ..of_files("a broken JSON file", &[(INDEX, &data), ("src/data.json", "{\"a\": }")], "", (1, 1))
    };
    vec![
        case("an import that is not found", "import b from \"./missing\"; console.log(b);", "./missing"),
        case(
            "an import that leaves the plugin",
            "import b from \"../../../etc/passwd\"; console.log(b);",
            "etc/passwd",
        ),
        case("an absolute import", "import b from \"/etc/passwd\"; console.log(b);", "/etc/passwd"),
        case(
            "a package that the page does not provide",
            "import b from \"lodash\"; console.log(b);",
            "lodash",
        ),
        case("a module of Node", "import b from \"node:fs\"; console.log(b);", "node:fs"),
        case(
            "an address for an import",
            "import b from \"https://esm.sh/lodash\"; console.log(b);",
            "https://esm.sh/lodash",
        ),
        of_files(
            "a name that a module lacks",
            &[(INDEX, &named), ("src/b.ts", "export const c = 1;\n")],
            "b",
            (2, 10),
        ),
        broken_json,
    ]
}

fn sizes() -> Vec<BadPlugin> {
    let sized = |name, files: Vec<(String, String)>, code, says| BadPlugin {
        name,
        manifest: manifest(),
        files,
        code,
        pointer: Some(""),
        says,
        place: None,
    };
    let long = format!("export const text = \"{}\";\n", "x".repeat(6 * 1024 * 1024));
    let uses = source("import { text } from \"./long\"; console.log(text);");
    let many = (0..2_001).map(|index| (format!("src/f{index}.ts"), "export {};\n".to_owned()));
    let entry = (INDEX.to_owned(), source(""));
    vec![
        sized(
            "a bundle over the limit",
            vec![(INDEX.to_owned(), uses), ("src/long.ts".to_owned(), long)],
            ErrorCode::BuildFailed,
            "at most",
        ),
        sized(
            "sources over the limit",
            vec![entry.clone(), ("src/film.txt".to_owned(), "x".repeat(17 * 1024 * 1024))],
            ErrorCode::PayloadTooLarge,
            "",
        ),
        sized(
            "too many files",
            std::iter::once(entry).chain(many).collect(),
            ErrorCode::PayloadTooLarge,
            "at most 2000",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_differs_is_found() {
        let case = of_files("a case", &[(INDEX, "x")], "unexpected", (1, 2));
        let refusal = |code: &str, pointer: &str, detail: &str| json!({"code": code, "detail": "d", "errors": [{"pointer": pointer, "detail": detail}]});
        let (code, at) = ("build_failed", "/files/src~1index.tsx");
        case.verify(&refusal(code, at, "src/index.tsx:1:2: unexpected token")).unwrap();
        for (code, pointer, detail) in [
            ("validation_failed", at, "src/index.tsx:1:2: unexpected token"),
            (code, "/files/a.ts", "src/index.tsx:1:2: unexpected token"),
            (code, at, "src/index.tsx:1:2: something else"),
            (code, at, "src/index.tsx:1:3: unexpected token"),
        ] {
            assert!(case.verify(&refusal(code, pointer, detail)).is_err(), "{code} {pointer} {detail}");
        }
    }
}
