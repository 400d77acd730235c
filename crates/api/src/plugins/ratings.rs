//! What users think of plugins.

use axum::extract::State;
use http::StatusCode;
use model::{Caller, Timestamp};
use registry::Rating;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::plugin_id;
use crate::App;
use crate::extract::{Json, MaybeCaller, Path, User};
use crate::problem::{Problem, ProblemBody};

/// A rating as a user gives it.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Rate {
    /// 1 to 5.
    #[schema(minimum = 1, maximum = 5, example = 5)]
    rating: i64,
    /// In the user's words, 4,000 characters at most.
    review: Option<String>,
}

/// A rating as it is shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Rating)]
pub(super) struct RatingBody {
    /// The name that the user goes by.
    author: String,
    /// 1 to 5.
    rating: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    review: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

impl From<Rating> for RatingBody {
    fn from(rating: Rating) -> Self {
        Self {
            author: rating.author,
            rating: rating.stars,
            review: rating.review,
            created_at: rating.created_at,
            updated_at: rating.updated_at,
        }
    }
}

/// Rates a plugin, or changes the caller's earlier rating: there is one of each user.
#[utoipa::path(
    post, path = "/plugins/{id}/ratings", tag = "plugins", operation_id = "ratePlugin", request_body = Rate,
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 201, body = RatingBody),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn rate(
    State(app): State<App>,
    caller: User,
    Path(id): Path<String>,
    Json(body): Json<Rate>,
) -> Result<(StatusCode, Json<RatingBody>), Problem> {
    let principal = caller.principal();
    // An e-mail address is nobody else's business.
    let author = principal.name.as_deref().unwrap_or("A user");
    let user = (principal.subject.as_str(), author);
    let id = plugin_id(&id)?;
    let rating = app.registry().rate(caller.tenant(), &id, user, body.rating, body.review.as_deref()).await?;
    Ok((StatusCode::CREATED, Json(rating.into())))
}

/// Lists a plugin's ratings, newest first, at most 200.
#[utoipa::path(
    get, path = "/plugins/{id}/ratings", tag = "plugins", operation_id = "listRatings",
    params(("id" = String, Path, description = "the plugin's id")),
    responses(
        (status = 200, body = Vec<RatingBody>),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(app): State<App>,
    MaybeCaller(caller): MaybeCaller,
    Path(id): Path<String>,
) -> Result<Json<Vec<RatingBody>>, Problem> {
    let ratings = app.registry().ratings(caller.as_ref().map(Caller::tenant), &plugin_id(&id)?).await?;
    Ok(Json(ratings.into_iter().map(RatingBody::from).collect()))
}
