//! The rules of the raw proxy: a setting that is more than a text.

use connectors::proxy::Rules;

use super::value::{Problems, Value};

/// The name of the setting. Its value may be an array of tables in the settings file.
pub(super) const PROXY_RULES: &str = "PROXY_RULES";

/// Who may call vendors' APIs as they are, or what is wrong with that.
#[derive(Debug, Clone)]
pub(crate) struct ProxyRules(Result<Rules, Vec<String>>);

impl ProxyRules {
    /// The rules; none where they are wrong, with which no server starts.
    pub(crate) fn rules(&self) -> Rules {
        self.0.as_ref().cloned().unwrap_or_default()
    }

    /// Names what is wrong with them.
    pub(super) fn check(&self, problems: &mut Problems) {
        let sentences = self.0.as_ref().err().into_iter().flatten();
        problems.extend(sentences.map(|sentence| match sentence.strip_prefix("must") {
            Some(rest) => format!("{PROXY_RULES} must{rest}"),
            None => format!("{PROXY_RULES}: {sentence}"),
        }));
    }
}

impl Value for ProxyRules {
    const EXPECTS: &'static str =
        "a JSON array of rules; in `jackfield.toml` it may be an array of tables, `[[proxy_rules]]`";

    fn parse(text: &str) -> Option<Self> {
        Some(Self(Rules::read(text)))
    }
}

/// An array of tables as the environment would hold it.
pub(super) fn tables(value: &toml::Value) -> Option<String> {
    let is_tables = value.as_array().is_some_and(|items| items.iter().all(toml::Value::is_table));
    is_tables.then(|| serde_json::to_string(value).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::tests::load_with;

    const RULE: &str = r#"{"role": "admin", "provider": "slack", "methods": ["GET"], "paths": ["/users.*"]}"#;

    #[test]
    fn rules_come_from_the_environment_or_as_tables() {
        let loaded = load_with(&[], "", "").unwrap();
        assert!(loaded.settings.proxy_rules.rules().is_empty());
        let given = format!("[{RULE}]");
        let from_environment = load_with(&[("PROXY_RULES", &given)], "", "").unwrap();
        let file = "[[proxy_rules]]\nrole = \"admin\"\nprovider = \"slack\"\nmethods = [\"GET\"]\npaths = [\"/users.*\"]\n";
        let from_file = load_with(&[], "", file).unwrap();
        let shown = |loaded: &super::super::Loaded| format!("{:?}", loaded.settings.proxy_rules);
        assert!(!from_file.settings.proxy_rules.rules().is_empty());
        assert_eq!(shown(&from_file), shown(&from_environment));
        let quoted = format!("proxy_rules = '[{RULE}]'");
        assert_eq!(shown(&load_with(&[], "", &quoted).unwrap()), shown(&from_environment));
    }

    #[test]
    fn wrong_rules_are_named_with_the_rest() {
        let file = "[[proxy_rules]]\nrole = \"boss\"\nprovider = \"slack\"\nmethods = [\"GET\"]\npaths = [\"users\"]\n";
        let error = load_with(&[("CORS_ORIGINS", "x")], "", file).unwrap_err();
        for part in [
            "CORS_ORIGINS",
            "PROXY_RULES: rule 1: role must be user",
            "PROXY_RULES: rule 1: paths: \"users\" must",
        ] {
            assert!(error.contains(part), "{part:?} is not in {error}");
        }
        let error = load_with(&[("PROXY_RULES", "yes")], "", "").unwrap_err();
        assert!(error.contains("PROXY_RULES must be a JSON array of rules such as"), "{error}");
        let error = load_with(&[], "", "proxy_rules = [1, { a = 1 }]").unwrap_err();
        assert!(error.contains("proxy_rules must be"), "{error}");
    }
}
