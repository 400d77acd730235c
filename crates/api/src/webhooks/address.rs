//! Where a plugin takes webhooks in the caller's tenant.

use std::time::Duration;

use axum::extract::State;
use events::webhook::{Address, LONGEST_OVERLAP, Mode};
use model::{ErrorCode, Timestamp};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::App;
use crate::extract::{Admin, Json, OptionalJson, Path};
use crate::plugins::plugin_id;
use crate::problem::{Problem, ProblemBody};

/// Where a plugin takes webhooks.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookAddress)]
pub(super) struct AddressBody {
    /// The secret address of this installation: the one to give to senders. Below it any path may follow.
    #[schema(example = "https://plugins.example.com/webhooks/in/9vQ1…")]
    url: String,
    /// The documented address, for senders that cannot be given a secret one; left out where the plugin's webhooks are not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "https://plugins.example.com/webhooks/plugins/payment-card?tenantId=acme")]
    legacy_url: Option<String>,
    /// How senders sign, as the plugin's manifest says.
    #[schema(example = "stripe")]
    scheme: String,
    /// `queue` or `reply`.
    #[schema(example = "queue")]
    mode: &'static str,
    /// Until when the address before this one is taken, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    former_until: Option<Timestamp>,
}

impl From<Address> for AddressBody {
    fn from(address: Address) -> Self {
        Self {
            url: address.url.expose_secret().to_owned(),
            legacy_url: address.documented.map(String::from),
            scheme: address.scheme,
            mode: match address.mode {
                Mode::Queue => "queue",
                Mode::Reply => "reply",
            },
            former_until: address.former_until,
        }
    }
}

/// How an address is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = WebhookAddressRotation)]
pub(super) struct RotationBody {
    /// For how many seconds the former address is taken, too: 0, where nothing is said, ends it at once.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 604_800, example = 86400)]
    overlap_seconds: u64,
}

/// Tells where a plugin takes webhooks in the caller's tenant. The address is secret; it is made at the first question.
#[utoipa::path(
    get, path = "/plugins/{id}/webhook-url", tag = "webhooks", operation_id = "getWebhookUrl",
    params(("id" = String, Path, description = "the plugin's id", example = "payment-card")),
    responses(
        (status = 200, body = AddressBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed, or it takes no webhooks"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn get(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
) -> Result<Json<AddressBody>, Problem> {
    Ok(Json(app.webhooks().address(caller.tenant(), &plugin_id(&id)?).await?.into()))
}

/// Gives the installation another secret address. The former one leads nowhere from then on, or once `overlapSeconds` have passed.
#[utoipa::path(
    post, path = "/plugins/{id}/webhook-url/rotate", tag = "webhooks", operation_id = "rotateWebhookUrl",
    params(("id" = String, Path, description = "the plugin's id", example = "payment-card")),
    request_body(content = Option<RotationBody>, description = "may be left out"),
    responses(
        (status = 200, body = AddressBody),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not installed, or it takes no webhooks"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn rotate(
    State(app): State<App>,
    caller: Admin,
    Path(id): Path<String>,
    OptionalJson(body): OptionalJson<RotationBody>,
) -> Result<Json<AddressBody>, Problem> {
    let overlap = Duration::from_secs(body.unwrap_or_default().overlap_seconds);
    if overlap > LONGEST_OVERLAP {
        let detail = format!("overlapSeconds must be at most {}", LONGEST_OVERLAP.as_secs());
        return Err(Problem::new(ErrorCode::ValidationFailed, detail));
    }
    let installation = (caller.tenant(), &plugin_id(&id)?);
    let address = app.webhooks().rotate(installation, overlap, &caller.principal().subject).await?;
    Ok(Json(address.into()))
}
