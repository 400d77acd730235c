//! The unified surface: accounts that users connect at other providers, and what is done with them. Its JSON is in
//! snake_case.

mod activity;
mod auth;
mod begin;
mod callback;
mod connections;
mod connectors;
mod foreign;
mod gmail;
mod jira;
mod oauth_apps;
pub(crate) mod proxy;
mod slack;
mod status;
mod token;
mod whose;

use model::{Caller, CredentialKind, ErrorCode, Role};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::problem::Problem;
pub(crate) use callback::{led_back, wants_page};
pub use connectors::ForPlugins;

pub(crate) use whose::check_manages;

/// The routes of the contract.
pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin::url))
        .routes(routes!(begin::open_link, begin::confirm_link))
        .routes(routes!(callback::callback))
        .routes(routes!(auth::validate))
        .routes(routes!(auth::refresh_by_get, auth::refresh))
        .routes(routes!(auth::revoke))
        .routes(routes!(auth::status))
        .routes(routes!(auth::providers))
        .routes(routes!(activity::list))
        .routes(routes!(oauth_apps::list))
        .routes(routes!(oauth_apps::put, oauth_apps::remove))
        .merge(connections::routes())
        .routes(routes!(token::token))
        .merge(connectors::routes())
        .merge(gmail::routes())
        .merge(jira::routes())
        .merge(slack::routes())
        .routes(routes!(status::status))
}

/// The same handlers under the shorter paths that redirect URIs and documents name.
pub(crate) fn aliases() -> axum::Router<App> {
    axum::Router::new()
        .route("/auth/{provider}/callback", axum::routing::get(callback::callback))
        .merge(connections::aliases())
}

/// Whose connection a caller may mean: a user its own alone; an admin or an API key any in its tenant.
///
/// `None` where neither the request nor the credential names one.
fn user_email(caller: &Caller, named: Option<&str>) -> Result<Option<String>, Problem> {
    let principal = caller.principal();
    let own = principal.email.as_deref().map(str::to_lowercase);
    let Some(named) = named.filter(|text| !text.is_empty()) else { return Ok(own) };
    let named = ::connections::user_email(named)
        .map_err(|violation| Problem::new(ErrorCode::InvalidRequest, violation.detail))?;
    let may_name_any = caller.is_at_least(Role::Admin) || principal.credential == CredentialKind::ApiKey;
    if may_name_any || own.as_ref() == Some(&named) {
        return Ok(Some(named));
    }
    let detail =
        "a user may name only its own e-mail address in user_email; an admin or an API key any in its tenant";
    Err(Problem::new(ErrorCode::InsufficientRole, detail))
}

/// As [`user_email`], where somebody must be meant.
pub(crate) fn required_user_email(caller: &Caller, named: Option<&str>) -> Result<String, Problem> {
    user_email(caller, named)?.ok_or_else(|| {
        let detail =
            "user_email must say whose connection is meant, because the credential names no e-mail address";
        Problem::new(ErrorCode::InvalidRequest, detail)
    })
}

/// An account at a provider.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
struct AccountBody {
    /// Its id there.
    id: String,
    /// Its e-mail address there.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl From<::connections::connection::Account> for AccountBody {
    fn from(account: ::connections::connection::Account) -> Self {
        Self { id: account.id, email: account.email, name: account.name }
    }
}
