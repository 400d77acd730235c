//! Gmail's mails and labels, as the document of the connectors' server has them: shorter ways to the connector `gmail`.

use ::connectors::{Done, Wanted};
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::connectors::{
    ContainerBody, ListQuery, MessagePage, Parameters, ShortBody, WhoseQuery, asker, message_page, twice,
};
use crate::App;
use crate::extract::{Json, OptionalJson, Query, User};
use crate::problem::{Problem, ProblemBody};

/// The connector.
const GMAIL: &str = "gmail";

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(emails)).routes(routes!(send)).routes(routes!(labels))
}

/// Which mails.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the document: the handler takes all parameters, to refuse unknown ones")]
struct EmailsQuery {
    /// What to look for, as in Gmail's own search. All mails where left out.
    #[param(example = "from:ann@example.com is:unread")]
    query: Option<String>,
}

/// Lists the mails of a mailbox, or those that `query` finds, the newest first. The filters of the connector `gmail` are
/// parameters, too; an unknown one is refused.
#[utoipa::path(
    get, path = "/api/v1/unified/gmail/emails", tag = "connectors", operation_id = "gmailEmails",
    params(EmailsQuery, ListQuery),
    responses(
        (status = 200, body = ShortBody<MessagePage>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn emails(
    State(app): State<App>,
    caller: User,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<ShortBody<MessagePage>>, Problem> {
    let Parameters { whose, wanted, query } = Parameters::take(pairs, true)?;
    let asker = asker(&app, &caller, GMAIL, whose).await?;
    let listed = match query.filter(|query| !query.trim().is_empty()) {
        Some(query) => app.connectors().search(&asker, GMAIL, &query, &wanted).await?,
        None => app.connectors().list_items(&asker, GMAIL, &wanted).await?,
    };
    Ok(Json(ShortBody::new(listed, message_page)))
}

/// A mail to be sent, as far as the query can have it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct MailQuery {
    /// To whom, as in `Ann Lee <ann@example.com>, ben@example.com`.
    to: Option<String>,
    /// What it is about.
    subject: Option<String>,
    /// What it says, as plain text.
    body: Option<String>,
    /// Who else gets it.
    cc: Option<String>,
    /// Who else gets it without the others' knowledge.
    bcc: Option<String>,
}

/// A mail to be sent. Besides these, all fields are taken that `POST /api/v1/unified/connectors/gmail/items` takes: `html`,
/// `attachments`, `reply_to_message_id` and others.
#[derive(Debug, ToSchema)]
#[schema(
    as = GmailMessage,
    example = json!({"to": "ann@example.com", "subject": "The release", "body": "It is on Thursday."}),
)]
#[expect(dead_code, reason = "for the document: the handler takes all fields, which the connector knows")]
struct MailBody {
    /// To whom, as in `Ann Lee <ann@example.com>, ben@example.com`.
    to: Option<String>,
    /// What it is about.
    subject: Option<String>,
    /// What it says, as plain text.
    body: Option<String>,
    /// Who else gets it.
    cc: Option<String>,
    /// Who else gets it without the others' knowledge.
    bcc: Option<String>,
}

/// A mail that was sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailMessageSent)]
struct SentBody {
    /// `true`.
    success: bool,
    /// Its id at Gmail.
    #[schema(example = "19a1b2c3d4e5f607")]
    message_id: String,
    /// The id of the conversation that it is in.
    #[schema(example = "19a1b2c3d4e5f607")]
    thread_id: Option<String>,
}

/// Sends a mail, which the query or the body has.
#[utoipa::path(
    post, path = "/api/v1/unified/gmail/send", tag = "connectors", operation_id = "sendGmailMessage",
    params(MailQuery, WhoseQuery),
    request_body(content = Option<MailBody>, description = "the mail, as far as the query has it not"),
    responses(
        (status = 200, body = SentBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn send(
    State(app): State<App>,
    caller: User,
    Query(query): Query<MailQuery>,
    Query(whose): Query<WhoseQuery>,
    OptionalJson(body): OptionalJson<Map<String, Value>>,
) -> Result<Json<SentBody>, Problem> {
    let fields = together(query, body.unwrap_or_default())?;
    let asker = asker(&app, &caller, GMAIL, whose).await?;
    let Done { result, .. } = app.connectors().create(&asker, GMAIL, &fields).await?;
    Ok(Json(SentBody { success: true, message_id: result.id, thread_id: result.container_id }))
}

/// The fields of the body and of the query, none of which may be in both.
fn together(query: MailQuery, mut body: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    let MailQuery { to, subject, body: text, cc, bcc } = query;
    let given = [("to", to), ("subject", subject), ("body", text), ("cc", cc), ("bcc", bcc)];
    for (name, value) in given.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        if body.insert(name.to_owned(), value.into()).is_some_and(|other| !other.is_null()) {
            return Err(twice(name));
        }
    }
    Ok(body)
}

/// The labels of a mailbox.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GmailLabels)]
struct LabelsBody {
    /// `true`.
    success: bool,
    /// All of them, Gmail's own and the user's.
    labels: Vec<ContainerBody>,
    /// How many these are.
    total: usize,
}

/// Lists the labels of a mailbox, all at once.
#[utoipa::path(
    get, path = "/api/v1/unified/gmail/labels", tag = "connectors", operation_id = "gmailLabels",
    params(WhoseQuery),
    responses(
        (status = 200, body = LabelsBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
async fn labels(
    State(app): State<App>,
    caller: User,
    Query(whose): Query<WhoseQuery>,
) -> Result<Json<LabelsBody>, Problem> {
    let asker = asker(&app, &caller, GMAIL, whose).await?;
    let Done { result, .. } = app.connectors().containers(&asker, GMAIL, &Wanted::default()).await?;
    let labels: Vec<ContainerBody> = result.items.into_iter().map(ContainerBody::from).collect();
    Ok(Json(LabelsBody { success: true, total: labels.len(), labels }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(query: MailQuery, body: &Value) -> Result<Value, String> {
        let fields = together(query, body.as_object().unwrap().clone());
        fields.map(Value::Object).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn a_field_is_in_the_query_or_in_the_body() {
        let query = || MailQuery { to: Some("a@b.example".into()), ..MailQuery::default() };
        let mail = json!({"body": "x", "to": "a@b.example"});
        assert_eq!(of(query(), &json!({"body": "x"})), Ok(mail.clone()));
        assert_eq!(of(query(), &json!({"body": "x", "to": null})), Ok(mail.clone()));
        assert_eq!(of(MailQuery::default(), &mail), Ok(mail.clone()));
        assert!(of(query(), &mail).unwrap_err().starts_with("to must be given once"));
    }
}
