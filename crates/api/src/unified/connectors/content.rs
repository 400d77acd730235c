//! The bytes of items.

use ::connectors::Done;
use ::connectors::content::WantedContent;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{WhoseQuery, asker};
use crate::App;
use crate::extract::{Path, Query, User};
use crate::problem::{Problem, ProblemBody};
use crate::unified::foreign;

/// Which bytes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ContentQuery {
    /// One of the things that the item carries: the `part_id` or the `id` of an attachment.
    part: Option<String>,
    /// The media type to convert to, where the vendor does that: one of a document's `export_types`.
    media_type: Option<String>,
}

/// The bytes of a file.
#[derive(Debug, ToSchema)]
#[schema(as = File, value_type = String, format = Binary)]
#[expect(dead_code, reason = "for the document: bytes are no JSON")]
pub(super) struct FileBody(Vec<u8>);

/// Gives the bytes of an item as a file: a file of `drive`, an attachment of a message of `gmail`, or the message itself. A
/// file that breaks off ends the connection before the answer is whole.
#[utoipa::path(
    get, path = "/api/v1/unified/connectors/{connector}/items/{id}/content", tag = "connectors",
    operation_id = "itemContent",
    params(
        ("connector" = String, Path, description = "the connector's name", example = "drive"),
        ("id" = String, Path, description = "the item's `id`", example = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs"),
        ContentQuery, WhoseQuery,
    ),
    responses(
        (status = 200, description = "the bytes, of the file's own media type, to be saved under its name",
            body = FileBody, content_type = "application/octet-stream",
            headers(
                ("Content-Disposition" = String, description = "`attachment`, with the file's name where it is known"),
            )),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
        (status = "5XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn content(
    State(app): State<App>,
    caller: User,
    Path((name, id)): Path<(String, String)>,
    Query(ContentQuery { part, media_type }): Query<ContentQuery>,
    Query(whose): Query<WhoseQuery>,
) -> Result<Response, Problem> {
    let asker = asker(&app, &caller, &name, whose).await?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let wanted = WantedContent { part: given(part), media_type: given(media_type) };
    let Done { result: file, .. } = app.connectors().content(&asker, &name, &id, &wanted).await?;
    foreign::respond(file).await
}
