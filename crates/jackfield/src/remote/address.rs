//! Which addresses a server may be asked at, and which are on this machine.

use url::{Host, Url};

use crate::remote::report::Failure;

/// Refuses what is no base URL: another scheme, or a user, a query or a fragment in it.
pub(crate) fn check(url: &Url) -> Result<(), Failure> {
    let bare = url.username().is_empty() && url.password().is_none();
    if matches!(url.scheme(), "http" | "https") && bare && url.query().is_none() && url.fragment().is_none() {
        return Ok(());
    }
    let text = "--url must be an http or https URL without a user, a query or a fragment";
    Err(Failure::Usage(text.to_owned()))
}

/// Whether `url` names this machine, so that what is sent does not leave it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_base_urls_are_taken() {
        for url in ["ftp://a.example", "https://u:p@a.example", "https://a.example?x", "https://a.example#x"]
        {
            assert!(matches!(check(&url.parse().unwrap()), Err(Failure::Usage(_))), "{url}");
        }
        for url in ["http://127.0.0.1:4000", "https://a.example/jackfield/"] {
            assert!(check(&url.parse().unwrap()).is_ok(), "{url}");
        }
    }

    #[test]
    fn names_that_only_look_local_are_not() {
        for (url, local) in [
            ("http://127.0.0.1:4000", true),
            ("http://127.8.9.1", true),
            ("http://[::1]:4000", true),
            ("http://localhost:4000", true),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://0.0.0.0", false),
            ("http://10.0.0.1", false),
            ("http://[::ffff:10.0.0.1]", false),
        ] {
            assert_eq!(is_loopback(&url.parse().unwrap()), local, "{url}");
        }
    }
}
