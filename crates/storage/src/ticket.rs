//! Facts that travel through strangers' hands and come back: sealed into a text, and trusted only if it opens.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Ambient;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

use crate::master_key::SealingKey;
use crate::{Error, MasterKey, MasterKeys};

/// Random bytes that each ticket's own key is made with.
const SALT_LEN: usize = 16;

/// Seals and opens tickets. Needs no database; every replica with the same master key opens what another has sealed.
///
/// Each ticket has a key of its own, derived from the master key, so that their number is not bounded by what one
/// AES-GCM key may seal with random nonces (NIST SP 800-38D, section 8.3).
pub struct Tickets {
    masters: Arc<MasterKeys>,
    ambient: Ambient,
}

impl Tickets {
    /// Tickets under the first of `masters`; the others open what they sealed before.
    pub fn new(masters: Arc<MasterKeys>, ambient: Ambient) -> Self {
        Self { masters, ambient }
    }

    /// Seals `plaintext` for `purpose` into a text of letters, digits, `-` and `_`, about 4/3 as long plus 43.
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Result<String, Error> {
        let salt = self.ambient.bytes::<SALT_LEN>();
        let key = ticket_key(self.masters.primary()?.as_ref(), purpose, &salt)?;
        let sealed = key.seal(purpose.as_bytes(), plaintext, &self.ambient)?;
        Ok(URL_SAFE_NO_PAD.encode([salt.as_slice(), &sealed].concat()))
    }

    /// What was sealed for the same purpose; `None` for anything else.
    pub fn open(&self, purpose: &str, ticket: &str) -> Option<Zeroizing<Vec<u8>>> {
        let bytes = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        let (salt, sealed) = bytes.split_first_chunk::<SALT_LEN>()?;
        let open = |master: &Arc<MasterKey>| {
            ticket_key(master, purpose, salt).ok()?.open(purpose.as_bytes(), sealed).ok()
        };
        self.masters.known().iter().find_map(open)
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

fn ticket_key(master: &MasterKey, purpose: &str, salt: &[u8]) -> Result<SealingKey, Error> {
    let mut context = hmac::Context::with_key(&master.root("tickets"));
    context.update(salt);
    context.update(purpose.as_bytes());
    SealingKey::new(context.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(key: u8) -> Tickets {
        let text = base64::engine::general_purpose::STANDARD.encode([key; 32]);
        let master = MasterKey::from_base64(&text.into()).unwrap();
        Tickets::new(Arc::new(master.into()), Ambient::system())
    }

    #[test]
    fn a_ticket_opens_for_its_purpose_and_under_its_key_alone() {
        let ticket = tickets(1).seal("state", b"facts").unwrap();
        assert_eq!(tickets(1).open("state", &ticket).unwrap().as_slice(), b"facts");
        assert!(tickets(1).open("page", &ticket).is_none());
        assert!(tickets(2).open("state", &ticket).is_none());
        assert_ne!(tickets(1).seal("state", b"facts").unwrap(), ticket);
    }

    #[test]
    fn an_altered_ticket_does_not_open() {
        let ticket = tickets(1).seal("state", b"facts").unwrap();
        for position in 0..ticket.len() {
            let mut altered = ticket.clone().into_bytes();
            altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
            assert!(tickets(1).open("state", std::str::from_utf8(&altered).unwrap()).is_none(), "{position}");
        }
        for text in ["", "A", "no base64 !", &ticket[..20]] {
            assert!(tickets(1).open("state", text).is_none(), "{text:?}");
        }
    }
}
