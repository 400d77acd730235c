//! The platform's session token in the query of a request.

use std::borrow::Cow;

use model::ErrorCode;
use url::form_urlencoded;

use crate::problem::Problem;

/// The parameter that holds it.
pub(crate) const SESSION_TOKEN: &str = "session_token";

/// The session token in `query`, not yet believed in any respect; `None` where there is none. An empty one is one, and
/// wrong.
///
/// # Errors
/// Where there are several: which one counts would be anybody's guess.
pub(crate) fn session_token(query: Option<&str>) -> Result<Option<Cow<'_, str>>, Problem> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut tokens = pairs.filter(|(name, _)| name == SESSION_TOKEN).map(|(_, token)| token);
    let token = tokens.next();
    if tokens.next().is_some() {
        return Err(Problem::new(ErrorCode::InvalidRequest, "session_token must be given once"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_once_and_as_browsers_write_it() {
        let read = |query: &str| session_token(Some(query)).ok().map(|token| token.map(Cow::into_owned));
        assert_eq!(session_token(None).ok(), Some(None));
        assert_eq!(read("a=b&session_tokens=c"), Some(None));
        assert_eq!(read("a=b&session_token=x.y.z&c"), Some(Some("x.y.z".into())));
        assert_eq!(read("session%5Ftoken=x%2Ey"), Some(Some("x.y".into())));
        assert_eq!(read("session_token="), Some(Some(String::new())));
        assert_eq!(read("session_token"), Some(Some(String::new())));
        assert_eq!(read("session_token=x&session_token=x"), None);
        assert_eq!(read("session_token=x&session%5Ftoken="), None);
    }
}
