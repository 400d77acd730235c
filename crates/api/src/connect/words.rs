//! What went wrong, in words for the people who use a product, who know nothing of OAuth.

use connections::Error;
use connections::protocol::CallError;
use model::{Coded as _, ErrorCode};

/// What went wrong, and what the user can do about it. The first sentence says it all.
pub(crate) fn failure(error: &Error) -> Vec<String> {
    let text = match error {
        Error::AccessDenied(provider) => {
            return vec![
                format!("Access was not granted at {provider}."),
                "Nothing was changed. You can connect at any time.".to_owned(),
            ];
        }
        Error::Call { provider, error } => return call(provider, error),
        Error::Answered { provider, code } => {
            return vec![
                format!("{provider} refused to connect this account."),
                format!(
                    "It gave the reason {code}. Try again, and if it stays so, tell whoever sent you here."
                ),
            ];
        }
        Error::Invalid(violations) => {
            return violations.iter().map(|violation| sentence(&violation.detail)).collect();
        }
        Error::FlowExpired => "This took longer than ten minutes. Begin again.",
        Error::FlowRedeemed => "This was completed before. Nothing was changed.",
        Error::OtherBrowser => {
            "This was begun in another browser, or cookies are blocked here. Begin again in this browser."
        }
        Error::State | Error::Issuer | Error::CodeMissing => {
            "The provider's answer does not belong to what was begun here. Nothing was changed. Begin again."
        }
        Error::NotConfigured(_) | Error::WrongFlow { .. } | Error::UnknownProvider(_) => {
            "This cannot be connected here. Tell whoever sent you here."
        }
        Error::Quota(_) => "You have as many accounts connected as is possible. Disconnect one first.",
        Error::ConnectionNotFound(_) => "This account is no longer connected.",
        Error::SessionEnded => "This link has ended. Ask for a new one.",
        Error::ChangedMeanwhile(_) => "Something was changed meanwhile. Begin again.",
        other => return vec![by_code(other.code()).to_owned()],
    };
    vec![text.to_owned()]
}

fn call(provider: &str, error: &CallError) -> Vec<String> {
    let what = match error {
        CallError::Unreachable(_) => format!("{provider} did not answer."),
        CallError::Unavailable { .. } => format!("{provider} is in trouble at the moment."),
        CallError::RateLimited { .. } => format!("{provider} is asked too often at the moment."),
        CallError::InvalidGrant => format!("{provider} no longer accepts its own answer."),
        CallError::TokenRejected => format!("{provider} does not accept this key."),
        CallError::InvalidClient => format!("{provider} does not accept the credentials."),
        CallError::Refused { code } => format!("{provider} refused, with the reason {code}."),
        CallError::Malformed(_) => format!("{provider} gave an answer that cannot be used."),
    };
    let then = match error {
        CallError::Unreachable(_) | CallError::Unavailable { .. } | CallError::RateLimited { .. } => {
            "Nothing was changed. Try again in a few minutes."
        }
        CallError::TokenRejected | CallError::InvalidClient => {
            "Nothing was changed. Check what you have entered; if you have entered nothing, tell whoever sent you here."
        }
        _ => "Nothing was changed. Try again, and if it stays so, tell whoever sent you here.",
    };
    vec![what, then.to_owned()]
}

/// For what has no words of its own.
fn by_code(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UpstreamUnavailable | ErrorCode::UpstreamTimeout | ErrorCode::UpstreamRateLimited => {
            "The provider did not answer. Nothing was changed. Try again in a few minutes."
        }
        ErrorCode::Internal | ErrorCode::Unavailable => {
            "Something went wrong here. Nothing was changed. Try again in a few minutes."
        }
        _ => "This could not be done. Nothing was changed. Try again, or tell whoever sent you here.",
    }
}

/// An error's text as a sentence.
pub(crate) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", chars.as_str())
}

#[cfg(test)]
mod tests {
    use connections::protocol::Sent;

    use super::*;

    #[test]
    fn people_are_not_told_of_the_protocol() {
        let call = |error| Error::Call { provider: "Notes".into(), error };
        for error in [
            Error::AccessDenied("Notes".into()),
            Error::Answered { provider: "Notes".into(), code: "server_error".into() },
            Error::State,
            Error::FlowExpired,
            Error::FlowRedeemed,
            Error::OtherBrowser,
            Error::Issuer,
            Error::CodeMissing,
            Error::UserUnknown,
            Error::Quota(100),
            Error::SessionEnded,
            Error::NotConfigured("notes".into()),
            Error::ConnectionNotFound("1".into()),
            call(CallError::Unreachable(Sent::Maybe)),
            call(CallError::Unavailable { status: 500, retry_after: None }),
            call(CallError::RateLimited { retry_after: None }),
            call(CallError::InvalidGrant),
            call(CallError::InvalidClient),
            call(CallError::TokenRejected),
            call(CallError::Malformed("no token")),
        ] {
            let text = failure(&error).join(" ");
            assert!(text.ends_with('.') && text.starts_with(char::is_uppercase), "{text}");
            for word in ["OAuth", "state", "token", "/api/", "invalid_", "client", "code "] {
                assert!(!text.contains(word), "{word}: {text}");
            }
        }
    }

    #[test]
    fn a_refusal_is_told_kindly() {
        let text = failure(&Error::AccessDenied("Google".into()));
        assert_eq!(text[0], "Access was not granted at Google.");
    }

    #[test]
    fn texts_of_errors_become_sentences() {
        assert_eq!(sentence("access was not granted"), "Access was not granted.");
        assert_eq!(sentence(""), ".");
    }
}
