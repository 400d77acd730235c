//! Whether what a credential has begun may go on.

use std::fmt;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use model::{Caller, Principal};

use super::caller::still_proves;
use crate::App;

/// A credential as a request has brought it, to be looked at again while an answer goes on for long.
pub(crate) struct Standing {
    app: App,
    parts: Parts,
    begun: Principal,
}

/// The headers by which is told who is calling.
static TELLING: [HeaderName; 5] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::ORIGIN,
    HeaderName::from_static("sec-fetch-site"),
];

impl Standing {
    /// The credential of `parts`, by which `caller` was known.
    pub(crate) fn of(app: &App, parts: &Parts, caller: &Caller) -> Self {
        Self::of_principal(app, parts, caller.principal())
    }

    /// The credential of `parts`, by which `principal` was known.
    pub(crate) fn of_principal(app: &App, parts: &Parts, principal: &Principal) -> Self {
        let (mut kept, ()) = Request::new(()).into_parts();
        kept.method = parts.method.clone();
        kept.uri = parts.uri.clone();
        kept.headers = telling(&parts.headers);
        Self { app: app.clone(), parts: kept, begun: principal.clone() }
    }

    /// Whether the credential is still good, and says the same.
    pub(crate) async fn holds(&self) -> bool {
        still_proves(&self.app, &self.parts, &self.begun).await
    }
}

/// Copies of what is needed, which do not hold on to the memory of the whole head.
fn telling(headers: &HeaderMap) -> HeaderMap {
    let copy = |name: &HeaderName, value: &HeaderValue| {
        let mut value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
        value.set_sensitive(true);
        Some((name.clone(), value))
    };
    let named = TELLING.iter().flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value)));
    named.filter_map(|(name, value)| copy(name, value)).collect()
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Standing")
    }
}
