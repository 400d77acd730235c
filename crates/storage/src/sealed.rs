//! Sealed values as they are stored, and the list of columns that hold them.

use std::borrow::Cow;

use model::TenantId;

use crate::Error;
use crate::master_key::NONCE;

/// The version of the data keys that sealed before keys had versions.
pub(crate) const FIRST_VERSION: i64 = 1;
/// Values under [`FIRST_VERSION`]: this byte, the nonce, the message.
const WITHOUT_VERSION: u8 = 1;
/// Every other value: this byte, the version of the data key (8 bytes, big-endian), the nonce, the message.
const WITH_VERSION: u8 = 2;
/// Length of what stands before the nonce of a value that names its key, in bytes.
pub(crate) const HEADER: usize = 9;

/// A value that only its tenant's data key opens, and only for the purpose that it was sealed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// A value as it was stored.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A message that was sealed under the data key `version`, with its nonce before it.
    pub(crate) fn new(version: i64, message: &[u8]) -> Self {
        Self([&header(version), message].concat())
    }

    /// The version of the data key that it was sealed under, and the message with its nonce.
    pub(crate) fn parts(&self) -> Result<(i64, &[u8]), Error> {
        match self.0.split_first() {
            Some((&WITHOUT_VERSION, message)) => Ok((FIRST_VERSION, message)),
            Some((&WITH_VERSION, rest)) => {
                let (version, message) = rest.split_first_chunk().ok_or(Error::Unsealable)?;
                Ok((i64::from_be_bytes(*version), message))
            }
            _ => Err(Error::Unsealable),
        }
        .and_then(|(version, message)| {
            if message.len() < NONCE { Err(Error::Unsealable) } else { Ok((version, message)) }
        })
    }
}

/// How every value begins that is sealed under the data key `version`.
pub(crate) fn header(version: i64) -> [u8; HEADER] {
    let mut header = [WITH_VERSION; HEADER];
    if let Some(rest) = header.last_chunk_mut::<8>() {
        *rest = version.to_be_bytes();
    }
    header
}

/// Binds a sealed value to its place; the length keeps tenant and purpose from running into each other.
pub(crate) fn context(tenant: &TenantId, purpose: &str) -> Vec<u8> {
    format!("jackfield {} {tenant} {purpose}", tenant.as_str().len()).into_bytes()
}

/// A column that holds sealed values, so that they can be sealed anew. Every crate lists its own in a constant
/// `SEALED`, as it lists its migrations, and makes purposes by [`SealedColumn::purpose`].
///
/// The table must have a column `tenant`. A column that is missing from the lists loses its values when keys are
/// rotated; a test of the program finds columns of bytes that nobody lists.
#[derive(Debug, Clone, Copy)]
pub struct SealedColumn {
    /// The table.
    pub table: &'static str,
    /// The columns, of text and at most three, that together with `tenant` are the primary key.
    pub keys: &'static [&'static str],
    /// The column of bytes; it may be null.
    pub column: &'static str,
    /// The purpose that its values are sealed for; the name of a key column in braces stands for its value, as in
    /// `installation {plugin_key} configuration`.
    pub purpose: &'static str,
}

impl SealedColumn {
    /// The purpose of the value in the row that `keys` name, in the order of [`SealedColumn::keys`].
    pub fn purpose<S: AsRef<str>>(&self, keys: &[S]) -> String {
        let mut purpose = String::new();
        let mut rest = self.purpose;
        // In one pass, so that braces within a key stay what they are.
        while let Some((before, after)) = rest.split_once('{') {
            purpose.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            let place = self.keys.iter().position(|key| *key == name);
            purpose.push_str(place.and_then(|place| keys.get(place)).map_or(name, AsRef::as_ref));
            rest = after;
        }
        purpose.push_str(rest);
        purpose
    }

    /// Where a value is, for people.
    pub(crate) fn place(&self, keys: &[String]) -> String {
        let keys: Vec<Cow<'_, str>> =
            self.keys.iter().zip(keys).map(|(name, value)| format!("{name} {value}").into()).collect();
        format!("{}.{} ({})", self.table, self.column, keys.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: SealedColumn = SealedColumn {
        table: "credential",
        keys: &["connection_id", "name"],
        column: "sealed_access",
        purpose: "credential {connection_id} {name} access",
    };

    #[test]
    fn a_purpose_names_its_row() {
        assert_eq!(TOKEN.purpose(&["c1", "bot"]), "credential c1 bot access");
        assert_eq!(TOKEN.purpose(&["{name}", "x"]), "credential {name} x access", "a key is no template");
    }

    #[test]
    fn a_value_names_its_key() {
        let message = [9; 40];
        for version in [2, 255, i64::MAX] {
            assert_eq!(Sealed::new(version, &message).parts().unwrap(), (version, message.as_slice()));
            assert!(Sealed::new(version, &message).as_bytes().starts_with(&header(version)));
        }
        let old = Sealed::from_bytes([&[1], message.as_slice()].concat());
        assert_eq!(old.parts().unwrap(), (1, message.as_slice()));
        for bytes in [&b""[..], b"\x01", b"\x02\0\0", b"\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert!(Sealed::from_bytes(bytes.to_vec()).parts().is_err(), "{bytes:?}");
        }
    }
}
