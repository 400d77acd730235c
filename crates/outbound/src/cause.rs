//! Why no answer came over a connection, for the log: callers are told less.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use rustls::CertificateError;

/// `error` and its sources in one line, each thing once.
pub fn report(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut last = line.clone();
    for source in chain(error).skip(1) {
        let text = source.to_string();
        if text != last {
            // Writing to a string does not fail.
            let _ = write!(line, ": {text}");
        }
        last = text;
    }
    line
}

/// `error`, what it was made from, and so on.
pub fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // What an I/O error was made from is not its source, but what it holds.
        let held = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        held.map(|held| held as &(dyn StdError + 'static)).or_else(|| error.source())
    })
}

/// Whether no trusted authority vouches for the server. One whose certificate has ended, or is for another name, is not
/// such a server: another authority would not help.
pub fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    let mut certificates = chain(error).filter_map(|each| match each.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(error)) => Some(error),
        _ => None,
    });
    certificates.any(|error| {
        !matches!(
            error,
            CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. }
                | CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_each_thing_once() {
        let error = io::Error::other(io::Error::other("the innermost"));
        assert_eq!(report(&error), "the innermost");
    }

    #[test]
    fn another_authority_helps_only_where_none_is_trusted() {
        let refused = |error| {
            let error = rustls::Error::InvalidCertificate(error);
            is_untrusted(&io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error)))
        };
        assert!(refused(CertificateError::UnknownIssuer));
        assert!(!refused(CertificateError::NotValidForName));
        assert!(!refused(CertificateError::Expired));
        assert!(!is_untrusted(&io::Error::other(rustls::Error::DecryptError)));
        assert!(!is_untrusted(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }
}
