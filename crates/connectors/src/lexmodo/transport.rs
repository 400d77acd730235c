//! Why no answer came over the connection.

use std::error::Error as StdError;
use std::io;

use outbound::cause::chain;
use rustls::CertificateError;

/// What went wrong below the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// No trusted authority vouches for the server.
    Untrusted,
    /// The server's certificate is for another name.
    WrongName,
    /// The server's certificate has ended, or has not begun.
    OutOfDate,
    /// TLS failed otherwise.
    Tls,
    /// The name has no address.
    UnknownHost,
    /// Nothing listens there.
    Refused,
    /// The connection could not be made, or broke.
    Broken,
}

impl Cause {
    /// What `error` and its sources tell.
    pub(super) fn of(error: &(dyn StdError + 'static)) -> Self {
        chain(error).find_map(Self::told_by).unwrap_or(Self::Broken)
    }

    fn told_by(error: &(dyn StdError + 'static)) -> Option<Self> {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return Some(match error {
                rustls::Error::InvalidCertificate(error) => Self::certificate(error),
                _ => Self::Tls,
            });
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return (error.kind() == io::ErrorKind::ConnectionRefused).then_some(Self::Refused);
        }
        // The connector's own error has no public type.
        error.to_string().starts_with("dns error").then_some(Self::UnknownHost)
    }

    fn certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::OutOfDate,
            _ => Self::Untrusted,
        }
    }

    /// Whether the same call may succeed a moment later.
    pub(super) fn is_passing(self) -> bool {
        matches!(self, Self::UnknownHost | Self::Refused | Self::Broken)
    }

    /// What callers are told. No name or address of the operator's network is in it.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Untrusted => {
                "the certificate of the platform's server is not trusted: if a private authority has signed it, the \
                 operator must name that authority in EXTRA_CA_FILE"
            }
            Self::WrongName => {
                "the certificate of the platform's server is for another name than the one in LEXMODO_GRPC_ADDRESS"
            }
            Self::OutOfDate => "the certificate of the platform's server has ended or has not begun",
            Self::Tls => "no TLS connection to the platform's server can be made",
            Self::UnknownHost => "the host in LEXMODO_GRPC_ADDRESS cannot be found",
            Self::Refused => "nothing answers at LEXMODO_GRPC_ADDRESS",
            Self::Broken => "the platform's server cannot be reached, or has closed the connection",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_error_was_made_of_is_found() {
        let wrapped =
            |error: rustls::Error| io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        let certificate = |error| wrapped(rustls::Error::InvalidCertificate(error));
        assert_eq!(Cause::of(&certificate(CertificateError::UnknownIssuer)), Cause::Untrusted);
        assert_eq!(Cause::of(&certificate(CertificateError::NotValidForName)), Cause::WrongName);
        assert_eq!(Cause::of(&certificate(CertificateError::Expired)), Cause::OutOfDate);
        assert_eq!(Cause::of(&wrapped(rustls::Error::DecryptError)), Cause::Tls);
        assert_eq!(Cause::of(&io::Error::from(io::ErrorKind::ConnectionRefused)), Cause::Refused);
        assert_eq!(Cause::of(&io::Error::from(io::ErrorKind::BrokenPipe)), Cause::Broken);
    }
}
