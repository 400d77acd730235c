//! The settings of this plugin's app at the Lexmodo platform, under the names that the platform's documents give them.

use std::path::PathBuf;

use connections::catalog::is_in_the_clear;
use secrecy::SecretString;
use url::Url;

use super::table::Settings;
use super::value::{Problems, Value, Values};

/// The app, with all that it needs.
#[derive(Debug, Clone)]
pub(crate) struct Lexmodo {
    /// `APP_CLIENT_ID`.
    pub(crate) client_id: String,
    /// `APP_SECRET`: the client's secret, and the key of session tokens.
    pub(crate) secret: SecretString,
    /// `REDIRECT_URI`; `None` for this server's own `/callback`.
    pub(crate) redirect_uri: Option<Url>,
    /// `AUTHORIZE_URL`.
    pub(crate) authorize_url: Url,
    /// `TOKEN_URL`.
    pub(crate) token_url: Url,
    /// `ISSUER`: the platform.
    pub(crate) issuer: Issuer,
    /// `PLUGIN_CODE`: one segment of a path as it is.
    pub(crate) plugin_code: String,
    /// `PLUGIN_TYPE`.
    pub(crate) plugin_type: Option<String>,
    /// `PLUGIN_NAME`, else the code.
    pub(crate) plugin_name: String,
    /// `PLUGIN_SCOPE`.
    pub(crate) scopes: Vec<String>,
    /// `LEXMODO_GRPC_ADDRESS`.
    pub(crate) grpc_address: Option<Url>,
    /// `LEXMODO_DESCRIPTOR_SET`: a readable file when the settings were checked.
    pub(crate) descriptor_set: Option<PathBuf>,
    /// `LEXMODO_MAX_MESSAGE_SIZE`.
    pub(crate) max_message_bytes: usize,
}

/// The names that are set together or not at all, each with what it is.
const NEEDED: [(&str, &str); 6] = [
    ("APP_CLIENT_ID", "the id of the app at the platform"),
    ("APP_SECRET", "the secret of the app at the platform"),
    ("AUTHORIZE_URL", "where a store's admin consents"),
    ("TOKEN_URL", "where tokens are had"),
    ("ISSUER", "the platform's address, which its session tokens name as `iss`"),
    ("PLUGIN_CODE", "the plugin's code at the platform"),
];

/// The smallest bound on messages: one customer should fit in.
const MIN_MESSAGE_BYTES: usize = 1024;

/// What is missing, where some of what is needed is given: a sentence for each.
pub(super) fn missing(values: &Values) -> Vec<String> {
    let Some((given, _)) = NEEDED.iter().find(|(name, _)| values.get(name).is_some()) else {
        return Vec::new();
    };
    let missing = NEEDED.iter().filter(|(name, _)| values.get(name).is_none());
    missing.map(|(name, what)| format!("{name} must be set where {given} is: {what}")).collect()
}

impl Settings {
    /// The app at the Lexmodo platform; `None` where there is none. Loading has refused one that is set by half.
    pub(crate) fn lexmodo(&self) -> Option<Lexmodo> {
        let code = self.plugin_code.as_ref()?.0.clone();
        Some(Lexmodo {
            client_id: self.app_client_id.as_ref()?.0.clone(),
            secret: self.app_secret.clone()?,
            redirect_uri: self.redirect_uri.clone(),
            authorize_url: self.authorize_url.clone()?,
            token_url: self.token_url.clone()?,
            issuer: self.issuer.clone()?,
            plugin_type: self.plugin_type.as_ref().map(|line| line.0.clone()),
            plugin_name: self.plugin_name.as_ref().map_or_else(|| code.clone(), |line| line.0.clone()),
            plugin_code: code,
            scopes: self.plugin_scope.0.clone(),
            grpc_address: self.lexmodo_grpc_address.as_ref().map(|address| address.0.clone()),
            descriptor_set: self.lexmodo_descriptor_set.clone(),
            max_message_bytes: self.lexmodo_max_message_size.0,
        })
    }

    /// Names what cannot be used of the app's settings.
    pub(super) fn check_lexmodo(&self, problems: &mut Problems) {
        if let Some(Err(error)) = self.lexmodo_descriptor_set.as_ref().map(std::fs::read) {
            problems.push(format!("LEXMODO_DESCRIPTOR_SET must be a readable file: {error}"));
        }
        if self.lexmodo_max_message_size.0 < MIN_MESSAGE_BYTES {
            problems.push("LEXMODO_MAX_MESSAGE_SIZE must be 1KiB or more: nothing would fit in".to_owned());
        }
    }

    /// What the operator should know of them. The catalog tells of the URLs of the flow.
    pub(super) fn lexmodo_warnings(&self) -> Vec<String> {
        let Some(app) = self.lexmodo() else {
            let given = [
                ("REDIRECT_URI", self.redirect_uri.is_some()),
                ("PLUGIN_TYPE", self.plugin_type.is_some()),
                ("PLUGIN_NAME", self.plugin_name.is_some()),
                ("PLUGIN_SCOPE", !self.plugin_scope.0.is_empty()),
                ("LEXMODO_GRPC_ADDRESS", self.lexmodo_grpc_address.is_some()),
                ("LEXMODO_DESCRIPTOR_SET", self.lexmodo_descriptor_set.is_some()),
            ];
            let given = given.into_iter().filter(|(_, is_given)| *is_given);
            return given
                .map(|(name, _)| {
                    format!(
                        "{name} is not used, because no app is set: it needs APP_CLIENT_ID with its fellows"
                    )
                })
                .collect();
        };
        let mut warnings = Vec::new();
        if is_in_the_clear(&app.issuer.url) {
            let sentence = "ISSUER is http to another machine: whoever is on the way can read session tokens";
            warnings.push(sentence.to_owned());
        }
        match &app.grpc_address {
            Some(address) if is_in_the_clear(address) => warnings.push(
                "LEXMODO_GRPC_ADDRESS is http to another machine: whoever is on the way can read access tokens and \
                 customers"
                    .to_owned(),
            ),
            Some(_) => {}
            None => warnings.push(
                "LEXMODO_GRPC_ADDRESS is not set: stores can be connected, but their customers cannot be asked for"
                    .to_owned(),
            ),
        }
        warnings
    }
}

/// The platform's address: kept letter by letter too, since `iss` must be exactly the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// As it was written.
    pub(crate) text: String,
    /// As an address: without user, query or fragment.
    pub(crate) url: Url,
}

impl Value for Issuer {
    const EXPECTS: &'static str = "a URL such as https://admin.example, without user name, query or fragment, and with no IPv6 \
                                   address";

    fn parse(text: &str) -> Option<Self> {
        let url = <Url as Value>::parse(text).filter(|url| is_plain(url) && may_frame(url))?;
        Some(Self { text: text.to_owned(), url })
    }
}

/// Whether a policy can say that pages of `url` may frame others: its host is a `host-source`, without wildcards (CSP Level
/// 3, section 2.3.1), which has no form for IPv6 addresses. URLs allow more, `;` and `*` among it.
fn may_frame(url: &Url) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    url.host_str().is_some_and(|host| host.bytes().all(is_plain))
}

fn is_plain(url: &Url) -> bool {
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    is_anonymous && url.query().is_none() && url.fragment().is_none()
}

/// A server that is spoken to by gRPC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrpcAddress(pub(crate) Url);

impl Value for GrpcAddress {
    const EXPECTS: &'static str = "https://host:port, or http://host:port for development, without a path";

    fn parse(text: &str) -> Option<Self> {
        let url = <Url as Value>::parse(text)?;
        (is_plain(&url) && url.path() == "/").then_some(Self(url))
    }
}

/// A word that is one segment of a path as it is (RFC 3986, section 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PluginCode(pub(crate) String);

impl Value for PluginCode {
    const EXPECTS: &'static str = "1 to 64 letters, digits and - . _ ~, and not dots alone";

    fn parse(text: &str) -> Option<Self> {
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_word = (1..=64).contains(&text.len()) && text.bytes().all(is_unreserved);
        (is_word && text.bytes().any(|byte| byte != b'.')).then(|| Self(text.to_owned()))
    }
}

/// A text of one line, fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line(pub(crate) String);

impl Value for Line {
    const EXPECTS: &'static str = "a text of one line, 200 bytes at most";

    fn parse(text: &str) -> Option<Self> {
        (text.len() <= 200 && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }
}

/// Scopes with blanks or commas between, or a JSON array of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes(pub(crate) Vec<String>);

impl Value for Scopes {
    const EXPECTS: &'static str = r#"a list of scopes: `a b`, `a, b` or `["a", "b"]`"#;

    fn parse(text: &str) -> Option<Self> {
        let texts = serde_json::from_str::<Vec<String>>(text).unwrap_or_else(|_| {
            let parts = text.split(|c: char| c == ',' || c.is_whitespace());
            parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
        });
        // RFC 6749, section 3.3.
        let is_scope = |scope: &String| {
            let mut bytes = scope.bytes();
            !scope.is_empty() && bytes.all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
        };
        texts.iter().all(is_scope).then_some(Self(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_value<T: Value>(text: &str) -> bool {
        T::parse(text).is_some()
    }

    #[test]
    fn a_code_is_one_segment_of_a_path() {
        for good in ["Numinix", "a", "a-b_c.d~1", "..a", &"x".repeat(64)] {
            assert!(is_value::<PluginCode>(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "a%2Fb", "a?b", "a#b", "\u{e9}", "a\n", &"x".repeat(65)] {
            assert!(!is_value::<PluginCode>(bad), "{bad:?}");
        }
    }

    #[test]
    fn the_issuer_is_kept_letter_by_letter() {
        for good in ["https://Admin.example", "https://admin.example/", "http://localhost:9000/a"] {
            assert_eq!(Issuer::parse(good).unwrap().text, good);
        }
        for bad in
            ["", "admin.example", "/x", "ftp://x", "https://", "https://h?a", "https://h#a", "https://u@h"]
        {
            assert!(!is_value::<Issuer>(bad), "{bad}");
        }
        // No browser takes these as the one origin that may frame the page, or it takes more than one for it.
        for unframeable in
            ["http://[::1]:9000", "https://*.example", "https://a;b.example", "https://a,b", "https://a'b"]
        {
            assert!(!is_value::<Issuer>(unframeable), "{unframeable}");
        }
    }

    #[test]
    fn a_grpc_server_has_no_path() {
        for good in ["https://grpc.example", "https://grpc.example:443/", "http://127.0.0.1:50051"] {
            assert!(is_value::<GrpcAddress>(good), "{good}");
        }
        for bad in ["grpc.example:443", "https://h/x", "https://h?x", "https://u:p@h", "dns:///h"] {
            assert!(!is_value::<GrpcAddress>(bad), "{bad}");
        }
    }

    #[test]
    fn scopes_come_with_blanks_or_commas_or_as_an_array() {
        for text in ["a b", "a,b", " a , b ", r#"["a", "b"]"#] {
            assert_eq!(Scopes::parse(text).unwrap().0, ["a", "b"], "{text}");
        }
        assert_eq!(Scopes::parse("").unwrap().0, [""; 0]);
        for bad in [r#"["a b"]"#, r#"[""]"#, "a\\b", r#""a""#, "\u{e9}"] {
            assert!(!is_value::<Scopes>(bad), "{bad}");
        }
    }

    #[test]
    fn a_name_is_one_line() {
        assert!(is_value::<Line>("Numinix Plugin"));
        assert!(!is_value::<Line>("a\nb") && !is_value::<Line>(&"x".repeat(201)));
    }
}
