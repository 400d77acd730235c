//! Where a browser may be sent in the end: addresses of the caller's that stand on the operator's list.

use model::Violation;
use url::Url;

use crate::origins::Origins;

/// The longest address: it travels in other addresses.
const MAX_LEN: usize = 2048;

/// An address on an allow-listed origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnTo(Url);

impl ReturnTo {
    /// The address in `text`, if it is on one of the `allowed` origins. An address that was kept is to be parsed again
    /// when it is used: the list may have changed meanwhile.
    ///
    /// # Errors
    /// What would be right, at `/return_to`.
    pub fn parse(text: &str, allowed: &Origins) -> Result<Self, Violation> {
        let wrong = |detail: String| Err(Violation::new("/return_to", detail));
        if text.len() > MAX_LEN {
            return wrong(format!("return_to must have at most {MAX_LEN} bytes"));
        }
        let Ok(url) = Url::parse(text) else {
            return wrong(
                "return_to must be an absolute URL, such as https://app.example/settings".to_owned(),
            );
        };
        if !matches!(url.scheme(), "http" | "https") || !url.username().is_empty() || url.password().is_some()
        {
            return wrong("return_to must be an http or https URL without a user name".to_owned());
        }
        let origin = url.origin().ascii_serialization();
        if !allowed.trusts(&origin) {
            return wrong(format!(
                "return_to must be on this server's own origin or on one in RETURN_TO_ORIGINS; {origin} is not"
            ));
        }
        Ok(Self(url))
    }

    /// The origin, as browsers write it.
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The address itself.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host, for people.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address with `pairs` added to its query. What its own query says of these names is dropped, so that nobody
    /// reads two values.
    #[must_use]
    pub fn with(&self, pairs: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        if pairs.is_empty() {
            return url;
        }
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| !pairs.iter().any(|(own, _)| own == name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(pairs);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Origins {
        Origins::parse(["https://app.example", "*"])
            .unwrap()
            .and_own(&"https://jackfield.example".parse().unwrap())
    }

    #[test]
    fn only_listed_origins_and_the_servers_own_are_returned_to() {
        for text in
            ["https://app.example/a?b=c#d", "https://APP.example:443", "https://jackfield.example/docs/"]
        {
            assert!(ReturnTo::parse(text, &origins()).is_ok(), "{text}");
        }
        for text in [
            "",
            "/settings",
            "//app.example/",
            "https://evil.example/",
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "https://evil.example\\@app.example/",
            "https://u:p@app.example/",
            "http://app.example/",
            "https://app.example:8443/",
            "http://localhost:3000/",
            "javascript:alert(1)",
            "javascript://app.example/%0aalert(1)",
            "data:text/html,x",
            "blob:https://app.example/1",
            &format!("https://app.example/{}", "a".repeat(MAX_LEN)),
        ] {
            let violation = ReturnTo::parse(text, &origins()).unwrap_err();
            assert_eq!(violation.pointer, "/return_to", "{text}");
        }
    }

    #[test]
    fn pages_of_this_machine_are_for_development() {
        let development = origins().and_loopback();
        assert!(ReturnTo::parse("http://localhost:3000/x", &development).is_ok());
        assert!(ReturnTo::parse("http://127.0.0.1:3000/x", &development).is_ok());
        assert!(ReturnTo::parse("http://localhost.evil.example/", &development).is_err());
    }

    #[test]
    fn what_is_added_is_said_once() {
        let address = ReturnTo::parse("https://app.example/a?b=c&status=mine#d", &origins()).unwrap();
        let url = address.with(&[("status", "connected"), ("provider", "a&b")]);
        assert_eq!(url.as_str(), "https://app.example/a?b=c&status=connected&provider=a%26b#d");
        assert_eq!(address.with(&[]).as_str(), "https://app.example/a?b=c&status=mine#d");
        assert_eq!(address.origin(), "https://app.example");
    }
}
