//! The hosts that a backend may call: how they are written, what they cover, and what is added to requests there.

use std::collections::BTreeSet;

use model::Violation;
use url::{Host, Url};

use super::HostRule;

/// The port that a host without one is called at.
const HTTPS: u16 = 443;
/// The most rules of a manifest.
const MAX_RULES: usize = 50;
/// The most headers, and the most parameters, of a rule.
const MAX_ADDED: usize = 20;
/// The most characters of a name or value that a rule adds.
const MAX_TEXT: usize = 1024;

/// A host as it is compared: lower case, without the port that goes without saying.
pub(super) fn canonical(text: &str) -> String {
    let text = text.trim().to_ascii_lowercase();
    text.strip_suffix(":443").map_or_else(|| text.clone(), str::to_owned)
}

/// The host of a URL, as rules write it.
pub(super) fn of_url(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let port = url.port_or_known_default().filter(|port| *port != HTTPS);
    Some(port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// Whether the rule `known` lets call everything that `wanted` lets call. Both are canonical.
pub(super) fn covers(known: &str, wanted: &str) -> bool {
    if known == wanted {
        return true;
    }
    let ((known, known_port), (wanted, wanted_port)) = (split(known), split(wanted));
    let below = known.strip_prefix('*').is_some_and(|suffix| {
        wanted.len() > suffix.len() && wanted.ends_with(suffix) && !wanted.starts_with("*.*")
    });
    known_port == wanted_port && below
}

/// The names that stand as `${name}` in what the rule adds.
pub(super) fn secrets(rule: &HostRule) -> BTreeSet<String> {
    let texts = rule.headers.values().chain(rule.query.values());
    texts.flat_map(|text| placeholders(text).unwrap_or_default()).map(str::to_owned).collect()
}

/// Checks the rules. `sensitive` are the secrets that the configuration has.
pub(super) fn check(rules: &[HostRule], sensitive: &BTreeSet<String>) -> Vec<Violation> {
    let mut found = Vec::new();
    if rules.len() > MAX_RULES {
        found.push(Violation::new("/hosts", format!("must have at most {MAX_RULES} entries")));
    }
    for (index, rule) in rules.iter().enumerate().take(MAX_RULES) {
        let pointer = format!("/hosts/{index}");
        let same = |other: &HostRule| other.host == rule.host;
        if let Err(detail) = check_host(&rule.host) {
            found.push(Violation::new(format!("{pointer}/host"), detail));
        } else if rules.iter().take(index).any(same) {
            let detail = format!("{} has a rule already: put both into one", rule.host);
            found.push(Violation::new(format!("{pointer}/host"), detail));
        }
        check_added(rule, &pointer, sensitive, &mut found);
    }
    found
}

fn check_added(rule: &HostRule, pointer: &str, sensitive: &BTreeSet<String>, found: &mut Vec<Violation>) {
    for (list, added) in [("headers", &rule.headers), ("query", &rule.query)] {
        let pointer = format!("{pointer}/{list}");
        if added.len() > MAX_ADDED {
            found.push(Violation::new(&pointer, format!("must have at most {MAX_ADDED} entries")));
        }
        for (name, value) in added.iter().take(MAX_ADDED) {
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            let named = if list == "headers" { check_header(name) } else { check_text(name) };
            let checked =
                named.and_then(|()| check_text(value)).and_then(|()| check_secrets(value, sensitive));
            found.extend(checked.err().map(|detail| Violation::new(pointer, detail)));
        }
    }
}

fn check_header(name: &str) -> Result<(), String> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(is_token) {
        return Err("is no name of a header (RFC 9110, section 5.6.2)".to_owned());
    }
    if outbound::NOT_SETTABLE.contains(&name.to_ascii_lowercase().as_str()) {
        return Err("cannot be set: it belongs to the connection, not to the request".to_owned());
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), String> {
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        return Err(format!("names and values must have 1 to {MAX_TEXT} characters"));
    }
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Ok(())
    } else {
        Err("may contain printable ASCII alone".to_owned())
    }
}

fn check_secrets(value: &str, sensitive: &BTreeSet<String>) -> Result<(), String> {
    let names = placeholders(value)
        .ok_or_else(|| "has a ${ without a name and a } after it: write ${name of a secret}".to_owned())?;
    match names.into_iter().find(|name| !sensitive.contains(*name)) {
        None => Ok(()),
        Some(name) => Err(not_a_secret(name, sensitive)),
    }
}

/// Says that `name` is no secret of the configuration.
pub(super) fn not_a_secret(name: &str, sensitive: &BTreeSet<String>) -> String {
    let name: String = name.chars().take(100).collect();
    let known: Vec<&str> = sensitive.iter().map(String::as_str).collect();
    let known = if known.is_empty() { "there are none".to_owned() } else { known.join(", ") };
    format!(
        "{name} is not one of the secrets in configSchema (sensitiveFields, or writeOnly properties): {known}"
    )
}

/// The names between `${` and `}`; `None` where one is not closed, or empty.
fn placeholders(text: &str) -> Option<Vec<&str>> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}')?;
        if name.is_empty() || name.contains("${") {
            return None;
        }
        names.push(name);
        rest = after;
    }
    Some(names)
}

fn split(host: &str) -> (&str, u16) {
    let at = host.rfind(':').filter(|at| !host.get(*at..).is_some_and(|rest| rest.contains(']')));
    let parted = at.and_then(|at| Some((host.get(..at)?, host.get(at + 1..)?.parse().ok()?)));
    parted.unwrap_or((host, HTTPS))
}

fn check_host(text: &str) -> Result<(), String> {
    const SHAPE: &str = "must be a host such as api.example.com, *.example.com or api.example.com:8443";
    let (host, port) = split(text);
    if port == 0 || text.len() > 260 {
        return Err(SHAPE.to_owned());
    }
    let (name, is_pattern) = host.strip_prefix("*.").map_or((host, false), |name| (name, true));
    match Host::parse(name) {
        Ok(Host::Domain(domain)) if domain == name && is_dns_name(name) => {
            if is_pattern && !name.contains('.') {
                return Err(format!("*.{name} is too wide: name at least two labels, as in *.example.com"));
            }
            Ok(())
        }
        Ok(address @ (Host::Ipv4(_) | Host::Ipv6(_))) if !is_pattern && address.to_string() == name => Ok(()),
        _ => Err(SHAPE.to_owned()),
    }
}

/// Labels of letters, digits and hyphens (RFC 1123, section 2.1), with underscores, which some hosts have.
fn is_dns_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    name.len() <= 253 && name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_a_pattern_or_an_address() {
        for host in [
            "api.stripe.com",
            "*.example.com",
            "api.example.com:8443",
            "localhost",
            "10.0.0.1:80",
            "[::1]",
            "[2001:db8::1]:8443",
            "xn--bcher-kva.example",
        ] {
            assert_eq!(check_host(host), Ok(()), "{host}");
        }
        for host in [
            "",
            "*",
            "*.com",
            "*.*.example.com",
            "a.*.example.com",
            "https://example.com",
            "example.com/path",
            "user@example.com",
            "example.com:0",
            "example.com:99999",
            "example..com",
            "-a.example.com",
            "a b.com",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "*.10.0.0.1",
            "::1",
            "example.com:80:80",
            "Example.com",
            "exämple.com",
            "example.com.",
            "${host}",
        ] {
            assert!(check_host(host).is_err(), "{host}");
        }
    }

    #[test]
    fn a_pattern_covers_what_is_below_it_at_the_same_port() {
        for (known, wanted, covered) in [
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "*.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "notexample.com", false),
            ("*.example.com", "api.example.com:8443", false),
            ("*.example.com:8443", "api.example.com:8443", true),
            ("api.example.com", "*.api.example.com", false),
        ] {
            assert_eq!(covers(known, wanted), covered, "{known} {wanted}");
        }
        assert_eq!(canonical(" API.example.com:443"), "api.example.com");
        assert_eq!(of_url("https://[2001:db8::1]:8443/x").as_deref(), Some("[2001:db8::1]:8443"));
        assert_eq!(of_url("http://a.example.com/").as_deref(), Some("a.example.com:80"));
    }

    #[test]
    fn what_is_added_cannot_break_the_request() {
        let sensitive: BTreeSet<String> = ["key".to_owned()].into();
        let rule = |list: &str, name: &str, value: &str| -> Vec<Violation> {
            let added = [(name.to_owned(), value.to_owned())].into();
            let mut rule =
                HostRule { host: "a.example.com".to_owned(), headers: [].into(), query: [].into() };
            if list == "headers" {
                rule.headers = added;
            } else {
                rule.query = added;
            }
            check(&[rule], &sensitive)
        };
        assert_eq!(rule("headers", "Authorization", "Basic ${key}"), []);
        assert_eq!(rule("query", "api key", "${key}${key}"), []);
        for (list, name, value) in [
            ("headers", "Host", "x"),
            ("headers", "content-length", "1"),
            ("headers", "a b", "x"),
            ("headers", "x", "a\r\nb: c"),
            ("headers", "x", "${other}"),
            ("headers", "x", "${key"),
            ("headers", "x", "${}"),
            ("query", "k", "${other}"),
            ("query", "", "x"),
            ("query", "k", "\u{1}"),
        ] {
            assert_eq!(rule(list, name, value).len(), 1, "{list} {name:?} {value:?}");
        }
        assert!(rule("headers", "x", "${other}")[0].detail.contains("other is not one of the secrets"));
    }
}
