//! What the operator allows besides public addresses.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::Host;

/// Hosts and networks that may be reached though they are not public, or may not be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow(Vec<Rule>);

/// One entry of [`Allow`]: `api.internal`, `*.internal`, `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`, each at every port, or at one
/// where that follows: `api.internal:8443`, `[fd00::/8]:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    target: Target,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    /// A name, in lower case, without a dot at its end.
    Host(String),
    /// All names below this one.
    Below(String),
    Network(IpNet),
}

/// A text that is no [`Rule`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// It is nothing of the kind.
    #[error(
        "{0:?} must be a host (api.internal), all below a host (*.internal), an address (10.1.2.3) or a network (10.0.0.0/8, \
         fd00::/8), with a port behind it if only that is meant (api.internal:8443, [fd00::/8]:8443)"
    )]
    Unreadable(String),
    /// An address with a mask that does not cover it.
    #[error("{given:?} has bits behind its mask: write {meant} for the network, or the address alone")]
    BitsBehindMask {
        /// What was written.
        given: String,
        /// The network that has the address.
        meant: IpNet,
    },
}

impl Allow {
    /// Nothing but what is public.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Whether a name may resolve to whatever it does. `port` is `None` where that is not known.
    pub(crate) fn has_host(&self, host: &str, port: Option<u16>) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        self.at(port).any(|target| match target {
            Target::Host(name) => *name == host,
            Target::Below(parent) => {
                host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Target::Network(_) => false,
        })
    }

    /// Whether an address may be reached. An IPv4 address is the same where it is mapped into IPv6 (RFC 4291, section 2.5.5.2).
    pub(crate) fn has_address(&self, address: IpAddr, port: Option<u16>) -> bool {
        let plain = address.to_canonical();
        self.at(port).any(|target| match target {
            Target::Network(network) => network.contains(&address) || network.contains(&plain),
            Target::Host(_) | Target::Below(_) => false,
        })
    }

    /// The ports that rules are restricted to.
    pub(crate) fn ports(&self) -> BTreeSet<u16> {
        self.0.iter().filter_map(|rule| rule.port).collect()
    }

    fn at(&self, port: Option<u16>) -> impl Iterator<Item = &Target> {
        let holds = move |rule: &&Rule| rule.port.is_none() || rule.port == port;
        self.0.iter().filter(holds).map(|rule| &rule.target)
    }
}

impl FromIterator<Rule> for Allow {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

impl FromStr for Allow {
    type Err = RuleError;

    /// Rules with commas between.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let unreadable = || RuleError::Unreadable(text.to_owned());
        // An IPv6 address has colons of its own.
        if let Some(target) = network(text)? {
            return Ok(Self { target, port: None });
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => rest.split_once(']').ok_or_else(unreadable)?,
            None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0).ok_or_else(unreadable)?),
            None if port.is_empty() => None,
            None => return Err(unreadable()),
        };
        let target = network(host)?.or_else(|| if text.starts_with('[') { None } else { name(host) });
        Ok(Self { target: target.ok_or_else(unreadable)?, port })
    }
}

fn network(text: &str) -> Result<Option<Target>, RuleError> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(Some(Target::Network(address.into())));
    }
    let Ok(network) = text.parse::<IpNet>() else { return Ok(None) };
    if network.trunc() != network {
        return Err(RuleError::BitsBehindMask { given: text.to_owned(), meant: network.trunc() });
    }
    Ok(Some(Target::Network(network)))
}

/// A name as URLs have it: in lower case, and in ASCII (RFC 5891). What they take for an address is one here.
fn name(text: &str) -> Option<Target> {
    let (parent, is_below) = text.strip_prefix("*.").map_or((text, false), |parent| (parent, true));
    if parent.contains('*') {
        return None;
    }
    match Host::parse(parent).ok()? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name).to_owned();
            let is_name = !name.is_empty() && !name.starts_with('.') && !name.contains("..");
            is_name.then_some(if is_below { Target::Below(name) } else { Target::Host(name) })
        }
        Host::Ipv4(address) if !is_below => Some(Target::Network(IpAddr::from(address).into())),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.target, self.port) {
            (Target::Host(name), None) => f.write_str(name),
            (Target::Host(name), Some(port)) => write!(f, "{name}:{port}"),
            (Target::Below(name), None) => write!(f, "*.{name}"),
            (Target::Below(name), Some(port)) => write!(f, "*.{name}:{port}"),
            (Target::Network(network), None) => write!(f, "{network}"),
            (Target::Network(network), Some(port)) => write!(f, "[{network}]:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(text: &str) -> Allow {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_is_one_host_and_a_star_all_below() {
        let allow = allow("api.internal, *.Corp.Example , bücher.example:8443");
        for (host, port, expected) in [
            ("api.internal", 80, true),
            ("API.internal.", 9, true),
            ("x.api.internal", 80, false),
            ("xapi.internal", 80, false),
            ("a.corp.example", 80, true),
            ("a.b.corp.example", 80, true),
            ("corp.example", 80, false),
            (".corp.example", 80, false),
            ("xcorp.example", 80, false),
            ("corp.example.evil", 80, false),
            ("xn--bcher-kva.example", 8443, true),
            ("xn--bcher-kva.example", 443, false),
        ] {
            assert_eq!(allow.has_host(host, Some(port)), expected, "{host}:{port}");
        }
        assert!(allow.has_host("api.internal", None));
        assert!(!allow.has_host("xn--bcher-kva.example", None), "the port is not known");
        assert_eq!(allow.ports(), BTreeSet::from([8443]));
    }

    #[test]
    fn networks_and_addresses_are_allowed() {
        let allow = allow("10.0.0.0/8,127.0.0.2:8080,[fd00::/8]:81,::1,0x7f000003");
        for (address, port, expected) in [
            ("10.255.1.2", 80, true),
            ("::ffff:10.1.2.3", 80, true),
            ("11.0.0.1", 80, false),
            ("127.0.0.2", 8080, true),
            ("127.0.0.2", 8081, false),
            ("127.0.0.3", 1, true),
            ("fd12::1", 81, true),
            ("fd12::1", 82, false),
            ("::1", 5, true),
            ("::2", 5, false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(allow.has_address(address, Some(port)), expected, "{address} {port}");
        }
        assert!(!allow.has_host("10.0.0.1", None), "an address is no name");
    }

    #[test]
    fn rules_are_written_as_they_are_read() {
        for text in ["api.internal", "*.internal:1", "10.0.0.0/8", "[fd00::/8]:8443", "[10.0.0.1/32]:80"] {
            let rule: Rule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_rule_is_named() {
        for text in [
            "*",
            "*.",
            "a.*.example",
            "*.10.0.0.1",
            "https://api.example",
            "api.example/path",
            "api.example:",
            "api.example:0",
            "api.example:65536",
            "api.example:80:81",
            "user@api.example",
            "[api.example]:80",
            "[fd00::1",
            "[fd00::1]x",
            "10.0.0.0/33",
            "a b",
            "a..b",
        ] {
            let error = text.parse::<Rule>().unwrap_err();
            assert_eq!(error, RuleError::Unreadable(text.to_owned()));
        }
        let error = "10.1.2.3/8".parse::<Rule>().unwrap_err();
        assert!(error.to_string().contains("write 10.0.0.0/8"), "{error}");
    }
}
