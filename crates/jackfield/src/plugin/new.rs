//! `jackfield plugin new`: the sources of a plugin that works, to begin from.

use std::path::PathBuf;

use crate::cli::print;
use crate::plugin::report::Failure;
use crate::plugin::{NewArgs, output};

/// What is made: the path, and the text with names to fill in.
const TEMPLATE: [(&str, &str); 7] = [
    (".gitignore", include_str!("template/gitignore")),
    ("README.md", include_str!("template/README.md")),
    ("package.json", include_str!("template/package.json")),
    ("plugin.json", include_str!("template/plugin.json")),
    ("src/index.tsx", include_str!("template/index.tsx")),
    ("src/style.css", include_str!("template/style.css")),
    ("tsconfig.json", include_str!("template/tsconfig.json")),
];

/// The longest category or extension point, in characters: the registry's bound for categories.
const MAX_WORD: usize = 64;

/// Makes the folder and says what to do next.
pub(crate) fn run(args: &NewArgs) -> Result<(), Failure> {
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(args.name.as_str()));
    let files: Vec<(&str, String)> = TEMPLATE.iter().map(|(path, text)| (*path, fill(text, args))).collect();
    let files: Vec<output::NewFile<'_>> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    output::create(&dir, &files)?;
    let shown = dir.display();
    let text = format!(
        "made {shown}, a plugin for the extension point {}\n\nnext:\n  cd {shown}\n  jackfield plugin check\n  \
         jackfield serve --dev              # in another terminal\n  jackfield plugin publish --install\n\n\
         the types for your editor come by npm, see README.md; the server needs none of it\n",
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

fn fill(text: &str, args: &NewArgs) -> String {
    let id = args.name.as_str();
    text.replace("__ID__", id)
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
            dir: None,
        }
    }

    fn made(path: &str, args: &NewArgs) -> String {
        TEMPLATE.iter().find(|(known, _)| *known == path).map(|(_, text)| fill(text, args)).unwrap()
    }

    #[test]
    fn every_name_is_filled_in() {
        let args = args("Pay.later_2-go", "payment");
        for (path, text) in TEMPLATE {
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
    fn the_sdk_asked_for_is_the_one_of_this_repository() {
        let package: Value = serde_json::from_str(&made("package.json", &args("a", "widget"))).unwrap();
        let sdk: Value = serde_json::from_str(include_str!("../../../../sdk/package.json")).unwrap();
        let version = sdk["version"].as_str().unwrap();
        assert_eq!(package["devDependencies"]["@jackfield/plugin-sdk"], format!("^{version}"));
    }

    #[test]
    fn words_that_would_need_escaping_are_refused() {
        for word in ["", "a\"b", "a b", "a\n", "`", "ü", &"a".repeat(65)] {
            assert!(parse_word(word).is_err(), "{word:?}");
        }
        assert!(parse_word("checkout/payment-methods").is_ok());
    }
}
