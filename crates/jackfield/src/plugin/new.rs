//! `jackfield plugin new`: the sources of a plugin that works, to begin from.

use std::path::PathBuf;

use crate::cli::print;
use crate::plugin::{NewArgs, output};
use crate::remote::report::Failure;

/// A file that is made: the path, and the text with names to fill in.
type Template = (&'static str, &'static str);

/// What every plugin has.
const COMMON: [Template; 5] = [
    (".gitignore", include_str!("template/gitignore")),
    ("README.md", include_str!("template/README.md")),
    ("plugin.json", include_str!("template/plugin.json")),
    ("src/style.css", include_str!("template/style.css")),
    ("tsconfig.json", include_str!("template/tsconfig.json")),
];

/// What else one has that is in the page alone.
const PAGE: [Template; 2] = [
    ("package.json", include_str!("template/package.json")),
    ("src/index.tsx", include_str!("template/index.tsx")),
];

/// What else one has whose backend is on the server.
const BACKEND: [Template; 5] = [
    ("backend/index.test.ts", include_str!("template/backend/index.test.ts")),
    ("backend/index.ts", include_str!("template/backend/index.ts")),
    ("backend/tsconfig.json", include_str!("template/backend/tsconfig.json")),
    ("package.json", include_str!("template/backend/package.json")),
    ("src/index.tsx", include_str!("template/backend/component.tsx")),
];

/// The line of the manifest.
const BACKEND_KEY: &str = "  \"backend\": { \"entryPoint\": \"backend/index.ts\" },\n";
/// The lines of the table of files.
const BACKEND_FILES: &str = "| `backend/index.ts` | what runs on the server: handlers and their routes |\n\
    | `backend/index.test.ts` | its test: `npm test` |\n";

/// The longest category or extension point, in characters: the registry's bound for categories.
const MAX_WORD: usize = 64;

/// Makes the folder and says what to do next.
pub(crate) fn run(args: &NewArgs) -> Result<(), Failure> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    let files: Vec<(&str, String)> = template(args).map(|(path, text)| (path, fill(text, args))).collect();
    let files: Vec<output::NewFile<'_>> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    output::create(&dir, &files)?;
    let shown = dir.display();
    let text = format!(
        "made {shown}, a plugin{} for the extension point {}\n\nnext:\n  cd {shown}\n  jackfield plugin check\n  \
         jackfield serve --dev              # in another terminal\n  \
         jackfield plugin dev               # publishes and installs again whenever a file changes\n\n\
         the types for your editor come by npm, see README.md; the server needs none of it\n",
        if args.backend { " with a backend," } else { "" },
        point(args)
    );
    Ok(print(&text)?)
}

/// Accepts what may stand in the template's JSON, TypeScript and Markdown without escaping.
pub(crate) fn parse_word(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:/-".contains(&byte);
    if (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err(format!("1 to {MAX_WORD} letters, digits and . _ : / -"))
    }
}

fn template(args: &NewArgs) -> impl Iterator<Item = Template> {
    let more: &[Template] = if args.backend { &BACKEND } else { &PAGE };
    COMMON.iter().chain(more).copied()
}

fn fill(text: &str, args: &NewArgs) -> String {
    let id = args.name.as_str();
    let with_backend = |text| if args.backend { text } else { "" };
    text.replace("__ID__", id)
        .replace("__BACKEND__", with_backend(BACKEND_KEY))
        .replace("__BACKEND_FILES__", with_backend(BACKEND_FILES))
        .replace("__NAME__", &title(id))
        // npm takes lower case alone, and a class name no dot.
        .replace("__PACKAGE__", &id.to_ascii_lowercase())
        .replace("__CLASS__", &format!("plugin-{}", id.replace('.', "-")))
        .replace("__CATEGORY__", &args.category)
        .replace("__POINT__", point(args))
}

fn point(args: &NewArgs) -> &str {
    let usual = if args.category == "payment" { "payment-methods" } else { "dashboard-widgets" };
    args.extension_point.as_deref().unwrap_or(usual)
}

/// `opening-hours` as `Opening hours`.
fn title(id: &str) -> String {
    let words = id.replace(['-', '_', '.'], " ");
    let mut letters = words.trim().chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn args(name: &str, category: &str) -> NewArgs {
        NewArgs {
            name: name.parse().unwrap(),
            category: category.to_owned(),
            extension_point: None,
            backend: false,
            dir: None,
        }
    }

    fn with_backend(args: NewArgs) -> NewArgs {
        NewArgs { backend: true, ..args }
    }

    fn made(path: &str, args: &NewArgs) -> String {
        template(args).find(|(known, _)| *known == path).map(|(_, text)| fill(text, args)).unwrap()
    }

    #[test]
    fn every_name_is_filled_in() {
        let args = args("Pay.later_2-go", "payment");
        for (path, text) in template(&args) {
            assert!(!fill(text, &args).contains("__"), "{path}");
        }
        let manifest: Value = serde_json::from_str(&made("plugin.json", &args)).unwrap();
        assert_eq!(manifest["id"], "Pay.later_2-go");
        assert_eq!(manifest["name"], "Pay later 2 go");
        assert_eq!(manifest["category"], "payment");
        assert_eq!(manifest["extensionPoints"][0], "payment-methods");
        assert!(made("src/style.css", &args).contains(".plugin-Pay-later_2-go {"));
        let package: Value = serde_json::from_str(&made("package.json", &args)).unwrap();
        assert_eq!(package["name"], "pay.later_2-go");
    }

    #[test]
    fn a_backend_is_named_in_the_manifest_and_made() {
        let args = with_backend(args("guest-book", "widget"));
        for (path, text) in template(&args) {
            assert!(!fill(text, &args).contains("__"), "{path}");
        }
        let manifest: Value = serde_json::from_str(&made("plugin.json", &args)).unwrap();
        let entry = manifest["backend"]["entryPoint"].as_str().unwrap();
        assert!(made(entry, &args).contains("defineBackendPlugin"));
        let package: Value = serde_json::from_str(&made("package.json", &args)).unwrap();
        assert_eq!(package["name"], "guest-book");
        assert!(made("README.md", &args).contains("`backend/index.ts`"));
    }

    #[test]
    fn the_sdk_asked_for_is_the_one_of_this_repository() {
        let sdk: Value = serde_json::from_str(include_str!("../../../../sdk/package.json")).unwrap();
        let version = sdk["version"].as_str().unwrap();
        for args in [args("a", "widget"), with_backend(args("a", "widget"))] {
            let package: Value = serde_json::from_str(&made("package.json", &args)).unwrap();
            assert_eq!(package["devDependencies"]["@jackfield/plugin-sdk"], format!("^{version}"));
        }
    }

    #[test]
    fn words_that_would_need_escaping_are_refused() {
        for word in ["", "a\"b", "a b", "a\n", "`", "ü", &"a".repeat(65)] {
            assert!(parse_word(word).is_err(), "{word:?}");
        }
        assert!(parse_word("checkout/payment-methods").is_ok());
    }
}
