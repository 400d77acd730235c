//! What may be reached besides public addresses: a setting whose entries are each told what is wrong with them.

use outbound::{Allow, Rule};

use super::value::{List, Problems, Text, Value};

/// Hosts and networks that others may name, or what is wrong with that.
#[derive(Debug, Clone)]
pub(crate) struct OutboundAllow(Result<Allow, Vec<String>>);

impl OutboundAllow {
    /// The list; empty where it is wrong, with which no server starts.
    pub(crate) fn allow(&self) -> Allow {
        self.0.as_ref().cloned().unwrap_or_default()
    }

    /// Names the entries that are wrong.
    pub(super) fn check(&self, problems: &mut Problems) {
        let sentences = self.0.as_ref().err().into_iter().flatten();
        problems.extend(sentences.map(|sentence| format!("OUTBOUND_ALLOW: {sentence}")));
    }
}

impl Value for OutboundAllow {
    const EXPECTS: &'static str =
        "a list of hosts, addresses and networks, such as `api.internal, *.corp.example, 10.0.0.0/8:8443`";

    fn parse(text: &str) -> Option<Self> {
        // Addresses have brackets of their own: `[::1]:80, [::2]:80` is no list in brackets.
        if let Ok(allow) = text.parse() {
            return Some(Self(Ok(allow)));
        }
        let List(texts) = List::<Text>::parse(text)?;
        Some(Self(read(texts.iter().map(|Text(text)| text.as_str()))))
    }
}

/// The rules, or what is wrong with each that is wrong.
fn read<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Allow, Vec<String>> {
    let (mut rules, mut wrong) = (Vec::new(), Vec::new());
    for text in texts {
        match text.parse::<Rule>() {
            Ok(rule) => rules.push(rule),
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if wrong.is_empty() { Ok(rules.into_iter().collect()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::load_with;

    #[test]
    fn each_wrong_entry_is_named() {
        let given = "api.internal, http://a.example, 10.0.0.0/8:8443, 10.1.2.3/8";
        let error = load_with(&[("OUTBOUND_ALLOW", given)], "", "").unwrap_err().clone();
        for part in
            ["OUTBOUND_ALLOW: \"http://a.example\" must be", "OUTBOUND_ALLOW: \"10.1.2.3/8\" has bits"]
        {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains("\"api.internal\"") && !error.contains("\"10.0.0.0/8:8443\""), "{error}");
    }

    #[test]
    fn a_list_is_written_with_commas_or_as_json() {
        for given in
            ["api.internal, 10.0.0.0/8", r#"["api.internal", "10.0.0.0/8"]"#, "[api.internal,10.0.0.0/8]"]
        {
            let loaded = load_with(&[("OUTBOUND_ALLOW", given)], "", "").unwrap();
            let expected = "api.internal,10.0.0.0/8".parse().unwrap();
            assert_eq!(loaded.settings.outbound_allow.allow(), expected);
        }
        let addresses = load_with(&[("OUTBOUND_ALLOW", "[::1]:80, [::2]")], "", "").unwrap();
        assert_eq!(addresses.settings.outbound_allow.allow(), "[::1]:80,::2".parse().unwrap());
        let loaded = load_with(&[], "", "").unwrap();
        assert_eq!(loaded.settings.outbound_allow.allow(), outbound::Allow::nothing());
    }
}
