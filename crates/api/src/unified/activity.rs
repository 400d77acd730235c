//! What was done with connections: page by page, or all of it as lines of JSON.

use ::connections::activity::{Filter, Outcome, Recorded};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt as _;
use http::HeaderMap;
use model::{CredentialKind, ErrorCode, Role, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{required_user_email, user_email};
use crate::extract::{Json, Query, User};
use crate::problem::{Problem, ProblemBody};
use crate::{App, RequestContext, ndjson};

/// What was done with a connection, once or several times within a short while. No token and no content is in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Activity)]
pub(super) struct ActivityBody {
    /// When it was last done.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// When it was first done.
    #[schema(value_type = String, format = DateTime)]
    first_at: Timestamp,
    /// How many times.
    #[schema(example = 1)]
    count: i64,
    /// `authorize`, `connect`, `use`, `refresh`, `needs_reauth`, `validate`, `update`, `revoke` or `token_read`.
    #[schema(example = "refresh")]
    action: String,
    /// What a connector did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "gmail.search")]
    operation: Option<String>,
    /// By whom: the `sub` of a token, the id of an API key, or `jackfield` for what nobody asked for.
    actor: String,
    /// At which provider.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(example = "google")]
    provider: String,
    /// With which connection, which may be gone by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<String>,
    /// Whose connection it is; left out where it is the tenant's.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// `ok`, `denied` or `failed`.
    #[schema(example = "ok")]
    outcome: String,
    /// The `code` of the problem, where it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<String>,
    /// The particulars, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// How long it took in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<i64>,
}

impl From<Recorded> for ActivityBody {
    fn from(recorded: Recorded) -> Self {
        Self {
            at: recorded.at,
            first_at: recorded.first_at,
            count: recorded.count,
            action: recorded.action,
            operation: recorded.operation,
            actor: recorded.actor,
            provider: recorded.provider,
            connection_id: recorded.connection,
            user_email: recorded.user_email,
            outcome: recorded.outcome,
            error_code: recorded.error_code,
            detail: recorded.detail,
            duration_ms: recorded.duration_ms,
        }
    }
}

/// A page of what was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivityPage)]
pub(super) struct ActivityPageBody {
    /// `true`.
    success: bool,
    /// Newest first.
    activity: Vec<ActivityBody>,
    /// What to send as `cursor` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which activity.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ActivityQuery {
    /// Of this user. A user sees its own alone; an admin and an API key see all where it is left out.
    user_email: Option<String>,
    /// With this connection.
    connection_id: Option<String>,
    /// At this provider.
    provider: Option<String>,
    /// Of this kind.
    #[param(example = "refresh")]
    action: Option<String>,
    /// With this outcome: `ok`, `denied` or `failed`.
    outcome: Option<String>,
    /// From this moment on (RFC 3339).
    #[param(format = DateTime)]
    since: Option<String>,
    /// Before this moment (RFC 3339).
    #[param(format = DateTime)]
    until: Option<String>,
    /// The `next_cursor` of an earlier answer.
    cursor: Option<String>,
    /// At most so many, 50 where left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

/// Tells what was done with connections, newest first, within the last 90 days unless the operator keeps it for
/// another time. What happened within the last second may be missing.
///
/// With `Accept: application/x-ndjson` all of it comes as one stream, a line for each entry; `cursor` and `limit` do not
/// go with that. What fails after the first line ends the stream with a line `{"error": …}` that holds the problem.
#[utoipa::path(
    get, path = "/api/v1/unified/activity", tag = "connections", operation_id = "listActivity",
    params(ActivityQuery),
    responses(
        (status = 200, content(
            (ActivityPageBody = "application/json"),
            (ActivityBody = "application/x-ndjson"),
        )),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn list(
    State(app): State<App>,
    caller: User,
    Extension(request): Extension<RequestContext>,
    headers: HeaderMap,
    Query(query): Query<ActivityQuery>,
) -> Result<Response, Problem> {
    let filter = filter(&caller, &query)?;
    if ndjson::is_asked_for(&headers) {
        if query.cursor.is_some() || query.limit.is_some() {
            return Err(invalid(
                "an export is all there is: leave cursor and limit out, or accept application/json",
            ));
        }
        let pages = app.connections().activity().export(caller.tenant().clone(), filter);
        let pages = pages.map_ok(|page| page.into_iter().map(ActivityBody::from));
        return ndjson::respond(&request, pages).await;
    }
    let activity = app.connections().activity();
    let page = activity.list(caller.tenant(), &filter, query.cursor.as_deref(), query.limit).await?;
    let body = ActivityPageBody {
        success: true,
        activity: page.entries.into_iter().map(ActivityBody::from).collect(),
        next_cursor: page.next_cursor,
    };
    Ok(Json(body).into_response())
}

fn filter(caller: &User, query: &ActivityQuery) -> Result<Filter, Problem> {
    let sees_all = caller.is_at_least(Role::Admin) || caller.principal().credential == CredentialKind::ApiKey;
    let user_email = if sees_all {
        query.user_email.as_deref().map(|named| user_email(caller, Some(named))).transpose()?.flatten()
    } else {
        Some(required_user_email(caller, query.user_email.as_deref())?)
    };
    let outcome = query.outcome.as_deref().map(|word| {
        Outcome::WORDS
            .contains(&word)
            .then(|| word.to_owned())
            .ok_or_else(|| invalid(format!("outcome must be one of {}", Outcome::WORDS.join(", "))))
    });
    let action = query.action.as_deref().map(str::parse::<::connections::activity::Action>);
    Ok(Filter {
        user_email,
        connection: query.connection_id.clone(),
        provider: query.provider.clone(),
        action: action.transpose().map_err(|error| invalid(format!("action {error}")))?,
        outcome: outcome.transpose()?,
        since: query.since.as_deref().map(|text| moment("since", text)).transpose()?,
        until: query.until.as_deref().map(|text| moment("until", text)).transpose()?,
    })
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

fn moment(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let time = text.parse::<jiff::Timestamp>();
    let time = time.map_err(|_| invalid(format!("{name} must be a time such as 2027-01-01T00:00:00Z")))?;
    Ok(Timestamp::from_millisecond(time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(moment("since", "2027-01-01T00:00:00Z").unwrap().to_string(), "2027-01-01T00:00:00.000Z");
        for text in ["", "yesterday", "2027-01-01", "1700000000"] {
            assert!(moment("since", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_entry_is_told_without_what_is_not_known() {
        let recorded = Recorded {
            seq: 1,
            first_at: Timestamp::from_millisecond(0),
            at: Timestamp::from_millisecond(7),
            provider: String::new(),
            connection: None,
            user_email: None,
            actor: "u\n1".into(),
            action: "use".into(),
            operation: None,
            outcome: "ok".into(),
            error_code: None,
            detail: None,
            count: 3,
            duration_ms: None,
        };
        let text = serde_json::to_string(&ActivityBody::from(recorded)).unwrap();
        let line = r#"{"at":"1970-01-01T00:00:00.007Z","first_at":"1970-01-01T00:00:00.000Z","count":3,"action":"use","actor":"u\n1","outcome":"ok"}"#;
        assert_eq!(text, line);
    }
}
