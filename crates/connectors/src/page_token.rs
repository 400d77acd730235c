//! Where a list goes on, sealed, so that a token opens for the request it was given for and for no other.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use model::{ErrorCode, TenantId};
use storage::Tickets;

use crate::Error;

/// The longest cursor of a vendor that is passed on, in bytes: with sealing it fits well into a URL.
const MAX_CURSOR: usize = 8192;

/// The longest page token that is looked at: what sealing makes of the longest cursor.
const MAX_TOKEN: usize = (MAX_CURSOR + FINGERPRINT + 1 + MAX_RECENT * 8) * 4 / 3 + 64;

/// The bytes that a page is recognised by.
const FINGERPRINT: usize = 8;

/// How many items that a stream gave last go with the token by which it is gone on with.
pub(crate) const MAX_RECENT: usize = 100;

/// What a page token is bound to. Neither the size of a page nor `raw` is: a vendor's cursor stands for a place, which is
/// the same however much is read from there. It has no end but the cursor's own, as it opens nothing to anybody who may
/// not use the connection.
#[derive(Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) connection: &'a str,
    pub(crate) connector: &'a str,
    pub(crate) operation: &'a str,
    pub(crate) query: &'a str,
    pub(crate) filters: &'a BTreeMap<&'static str, String>,
    /// The vendor's name, for errors.
    pub(crate) provider: &'static str,
    /// What callers know the token by, for the error.
    pub(crate) parameter: &'static str,
}

/// What a page token holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The vendor's cursor.
    pub(crate) cursor: String,
    /// By which the page before is recognised if it comes again.
    pub(crate) before: Fingerprint,
    /// The items that were given last, as numbers that stand for them, where a stream broke off; at most [`MAX_RECENT`].
    pub(crate) recent: Vec<u64>,
}

/// By which a page is recognised.
pub(crate) type Fingerprint = [u8; FINGERPRINT];

impl Place {
    fn to_bytes(&self) -> Vec<u8> {
        let recent = self.recent.get(..MAX_RECENT).unwrap_or(&self.recent);
        let mut bytes = self.before.to_vec();
        bytes.extend(u8::try_from(recent.len()));
        bytes.extend(recent.iter().flat_map(|item| item.to_be_bytes()));
        bytes.extend(self.cursor.as_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (before, bytes) = bytes.split_first_chunk()?;
        let (count, bytes) = bytes.split_first()?;
        let (recent, cursor) = bytes.split_at_checked(usize::from(*count) * 8)?;
        let recent = recent.as_chunks().0.iter().map(|item| u64::from_be_bytes(*item)).collect();
        Some(Self { cursor: std::str::from_utf8(cursor).ok()?.to_owned(), before: *before, recent })
    }
}

impl Binding<'_> {
    /// The purpose that the ticket is sealed for: all that it is bound to, unmistakably. JSON keeps the parts apart.
    fn purpose(&self) -> String {
        let parts = (
            // The second way in which places are written.
            "page_token 2",
            self.tenant.as_str(),
            self.connection,
            self.connector,
            self.operation,
            self.query,
            self.filters,
        );
        // Texts and a map of texts can always be written.
        serde_json::to_string(&parts).unwrap_or_default()
    }

    /// The page token that leads on from a page of `ids` to `cursor`, if there is one. `place` is where the page was.
    ///
    /// # Errors
    /// [`Error::Upstream`] for a vendor that gives the page before again, which would have callers go round for ever, or
    /// a cursor that is longer than any that can be passed on.
    pub(crate) fn next<'i>(
        &self,
        tickets: &Tickets,
        place: Option<&Place>,
        ids: impl Iterator<Item = &'i str>,
        cursor: Option<String>,
    ) -> Result<Option<String>, Error> {
        let mut ids = ids.peekable();
        let is_empty = ids.peek().is_none();
        let before = fingerprint(ids);
        if !is_empty && place.is_some_and(|place| place.before == before) {
            return Err(self.trouble("it gave the same page again instead of the next".to_owned()));
        }
        cursor.map(|cursor| self.seal(tickets, &Place { cursor, before, recent: Vec::new() })).transpose()
    }

    fn trouble(&self, detail: String) -> Error {
        Error::upstream(self.provider, ErrorCode::UpstreamUnavailable, detail)
    }

    /// The token that leads to a place.
    ///
    /// # Errors
    /// [`Error::Upstream`] for a cursor that is longer than any that can be passed on.
    pub(crate) fn seal(&self, tickets: &Tickets, place: &Place) -> Result<String, Error> {
        if place.cursor.len() > MAX_CURSOR {
            return Err(self.trouble(format!("its page cursor has more than {MAX_CURSOR} bytes")));
        }
        Ok(tickets.seal(&self.purpose(), &place.to_bytes())?)
    }

    /// The place that a token leads to.
    ///
    /// # Errors
    /// [`Error::PageToken`] for anything that was not given out for just this request.
    pub(crate) fn open(&self, tickets: &Tickets, token: &str) -> Result<Place, Error> {
        let open = || {
            let plaintext =
                (token.len() <= MAX_TOKEN).then(|| tickets.open(&self.purpose(), token)).flatten()?;
            Place::from_bytes(&plaintext)
        };
        open().ok_or(Error::PageToken { parameter: self.parameter })
    }
}

/// By what the page of these items is recognised; the same for the same items alone.
pub(crate) fn fingerprint<'a>(ids: impl Iterator<Item = &'a str>) -> Fingerprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for id in ids {
        context.update(id.as_bytes());
        context.update(&[0]);
    }
    let digest = context.finish();
    digest.as_ref().first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Fixture {
        tickets: Tickets,
        tenant: TenantId,
        filters: BTreeMap<&'static str, String>,
    }

    impl Fixture {
        fn binding(&self) -> Binding<'_> {
            Binding {
                tenant: &self.tenant,
                connection: "c1",
                connector: "lexmodo",
                operation: "list",
                query: "",
                filters: &self.filters,
                provider: "Lexmodo",
                parameter: "page_token",
            }
        }
    }

    fn tickets(key: &str) -> Tickets {
        let master = storage::MasterKey::from_base64(&key.into()).unwrap();
        Tickets::new(Arc::new(master.into()), model::Ambient::system())
    }

    fn fixture() -> Fixture {
        Fixture {
            tickets: tickets("AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="),
            tenant: "lexmodo:7".parse().unwrap(),
            filters: [("rule_id", "r1".to_owned())].into(),
        }
    }

    fn place(cursor: &str) -> Place {
        Place { cursor: cursor.into(), before: fingerprint(["a", "b"].into_iter()), recent: Vec::new() }
    }

    #[test]
    fn a_token_opens_for_its_own_request_alone() {
        let fixture = fixture();
        let own = fixture.binding();
        let token = own.seal(&fixture.tickets, &place("pit-1")).unwrap();
        assert_eq!(own.open(&fixture.tickets, &token).unwrap(), place("pit-1"));
        assert!(!token.contains("pit-1"));
        let (tenant, filters) = ("lexmodo:8".parse().unwrap(), [("rule_id", "r2".to_owned())].into());
        let none = BTreeMap::new();
        for other in [
            Binding { tenant: &tenant, ..fixture.binding() },
            Binding { connection: "c2", ..fixture.binding() },
            Binding { connector: "jira", ..fixture.binding() },
            Binding { operation: "search", ..fixture.binding() },
            Binding { query: "x", ..fixture.binding() },
            Binding { filters: &filters, ..fixture.binding() },
            Binding { filters: &none, ..fixture.binding() },
            // The same characters, cut elsewhere.
            Binding { connection: "c1lex", connector: "modo", ..fixture.binding() },
        ] {
            let opened = other.open(&fixture.tickets, &token);
            assert!(matches!(opened, Err(Error::PageToken { .. })), "{other:?}");
        }
    }

    #[test]
    fn what_is_altered_or_endless_is_refused() {
        let fixture = fixture();
        let own = fixture.binding();
        let token = own.seal(&fixture.tickets, &place("pit-1")).unwrap();
        let mut altered = token.clone().into_bytes();
        altered[30] = if altered[30] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        let cut = [&token[1..], &token[..token.len() - 1], &token[..token.len() / 2]];
        for text in [altered.as_str(), "", "pit-1", &"A".repeat(1 << 20)].into_iter().chain(cut) {
            assert!(matches!(own.open(&fixture.tickets, text), Err(Error::PageToken { .. })));
        }
        let strangers = tickets("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=");
        assert!(matches!(own.open(&strangers, &token), Err(Error::PageToken { .. })));
    }

    #[test]
    fn cursors_have_a_bound_within_which_they_come_back() {
        let fixture = fixture();
        let own = fixture.binding();
        let recent = (0..).take(MAX_RECENT).collect();
        let longest = Place { recent, ..place(&"x".repeat(MAX_CURSOR)) };
        let token = own.seal(&fixture.tickets, &longest).unwrap();
        assert!(token.len() <= MAX_TOKEN, "{}", token.len());
        assert_eq!(own.open(&fixture.tickets, &token).unwrap(), longest);
        let longer = own.seal(&fixture.tickets, &place(&"x".repeat(MAX_CURSOR + 1)));
        assert!(matches!(longer, Err(Error::Upstream { .. })));
    }

    #[test]
    fn what_a_stream_gave_last_comes_back_with_its_place() {
        let fixture = fixture();
        for count in [0, 1, MAX_RECENT] {
            let place = Place { recent: (7..).take(count).collect(), ..place("pit-1") };
            let token = fixture.binding().seal(&fixture.tickets, &place).unwrap();
            assert_eq!(fixture.binding().open(&fixture.tickets, &token).unwrap(), place);
        }
        for torn in [&[0; 8][..], &[0; 3], &[&[0; 8][..], &[1, 2, 3]].concat()] {
            assert_eq!(Place::from_bytes(torn), None, "{torn:?}");
        }
    }

    #[test]
    fn the_page_before_does_not_come_again() {
        let fixture = fixture();
        let own = fixture.binding();
        let next = |place, ids: &[&str], cursor: Option<&str>| {
            own.next(&fixture.tickets, place, ids.iter().copied(), cursor.map(str::to_owned))
        };
        let token = next(None, &["a", "b"], Some("pit-1")).unwrap().unwrap();
        let place = own.open(&fixture.tickets, &token).unwrap();
        assert_eq!(place, super::tests::place("pit-1"));
        assert!(next(Some(&place), &["c"], None).unwrap().is_none());
        assert!(next(Some(&place), &["a"], Some("pit-2")).unwrap().is_some());
        let again = next(Some(&place), &["a", "b"], Some("pit-2")).unwrap_err();
        assert!(again.to_string().starts_with("Lexmodo: it gave the same page"), "{again}");
        // Nothing, and nothing again, is no circle: there may be more behind it.
        let empty = own.open(&fixture.tickets, &next(None, &[], Some("1")).unwrap().unwrap()).unwrap();
        assert!(next(Some(&empty), &[], Some("2")).unwrap().is_some());
    }

    #[test]
    fn pages_are_recognised_by_their_ids_in_order() {
        let of = |ids: &[&str]| fingerprint(ids.iter().copied());
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
        assert_ne!(of(&["a", "b"]), of(&["b", "a"]));
        assert_ne!(of(&["ab"]), of(&["a", "b"]));
    }
}
