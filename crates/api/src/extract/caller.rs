//! Who is calling: a handler that holds one of these values was allowed to be called.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use futures::future::BoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use model::{Caller, CredentialKind, ErrorCode, Principal, Role, Scope, TenantId};

use crate::problem::Problem;
use crate::{App, RequestContext};

static X_TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");

/// The tenant of a request in development that names none.
const DEVELOPMENT_TENANT: &str = "default";

/// Where a request carries its credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// In the `Authorization` header: the caller put it there on purpose.
    Authorization,
    /// In a cookie, which a browser sends by itself.
    Cookie,
}

/// Tells who is calling from the headers of a request.
pub trait Authenticate: Send + Sync {
    /// The identity that the headers prove; `None` where they carry no credential.
    fn authenticate<'a>(
        &'a self,
        authorization: Option<&'a str>,
        cookies: Vec<&'a str>,
    ) -> BoxFuture<'a, Result<Option<(Principal, Carrier)>, Problem>>;
}

/// The caller of a route that is open to all; `None` for a stranger. A wrong credential is refused all the same.
#[derive(Debug, Clone)]
pub struct MaybeCaller(pub Option<Caller>);

/// A caller of any role.
#[derive(Debug, Clone)]
pub struct User(pub Caller);

/// A caller who is at least an admin of the tenant.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

/// A caller who runs the platform.
#[derive(Debug, Clone)]
pub struct PlatformAdmin(pub Caller);

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let Some(principal) = principal(&app, parts).await? else { return Ok(Self(None)) };
        let named = named_tenant(&parts.headers)?;
        let caller = enter_tenant(principal, named)?;
        if let Some(context) = parts.extensions.get::<RequestContext>() {
            context.note_tenant(caller.tenant());
        }
        app.rate_limits().count_tenant(caller.tenant())?;
        Ok(Self(Some(caller)))
    }
}

macro_rules! caller_at_least {
    ($name:ident, $role:expr) => {
        impl<S: Send + Sync> FromRequestParts<S> for $name
        where
            App: FromRef<S>,
        {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
                require($role, MaybeCaller::from_request_parts(parts, state).await?.0).map(Self)
            }
        }

        impl Deref for $name {
            type Target = Caller;

            fn deref(&self) -> &Caller {
                &self.0
            }
        }
    };
}

caller_at_least!(User, Role::User);
caller_at_least!(Admin, Role::Admin);
caller_at_least!(PlatformAdmin, Role::PlatformAdmin);

fn require(role: Role, caller: Option<Caller>) -> Result<Caller, Problem> {
    let caller = caller.ok_or_else(|| {
        Problem::new(
            ErrorCode::AuthenticationRequired,
            "send a credential: `Authorization: Bearer …` or a session",
        )
    })?;
    if caller.is_at_least(role) {
        Ok(caller)
    } else {
        let own = caller.principal().role;
        Err(Problem::new(
            ErrorCode::InsufficientRole,
            format!("this needs the role {role} or above; yours is {own}"),
        ))
    }
}

/// The identity behind the request: proven by a credential, or assumed in development.
async fn principal(app: &App, parts: &Parts) -> Result<Option<Principal>, Problem> {
    let mut authorizations = parts.headers.get_all(header::AUTHORIZATION).iter();
    let authorization =
        authorizations.next().map(|value| value.to_str()).transpose().map_err(|_| unreadable())?;
    if authorizations.next().is_some() {
        return Err(Problem::new(
            ErrorCode::InvalidRequest,
            "there must be one Authorization header at most",
        ));
    }
    let cookies =
        parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).collect();
    match app.authenticator().authenticate(authorization, cookies).await? {
        Some((_, Carrier::Cookie)) if !app.options().origins.permits_cookie(parts) => Err(Problem::new(
            ErrorCode::OriginNotAllowed,
            "a page of another origin may not act by a session cookie: list its origin in ALLOWED_ORIGINS, \
             or send `Authorization: Bearer …`",
        )),
        Some((principal, _)) => Ok(Some(principal)),
        None if app.options().development => development(app, parts).map(Some),
        None => Ok(None),
    }
}

fn unreadable() -> Problem {
    Problem::new(ErrorCode::InvalidCredential, "the Authorization header must be plain ASCII")
}

/// Who a request without a credential is in development.
fn development(app: &App, parts: &Parts) -> Result<Principal, Problem> {
    if !app.options().origins.permits_development(parts) {
        return Err(Problem::new(
            ErrorCode::OriginNotAllowed,
            "in development a request without a credential must name a loopback Host, and come from no page or from \
             one on this machine or in ALLOWED_ORIGINS",
        ));
    }
    Ok(Principal {
        scope: Scope::Platform,
        subject: "development".into(),
        email: None,
        name: None,
        role: Role::PlatformAdmin,
        credential: CredentialKind::Development,
    })
}

/// The tenant in `x-tenant-id`.
fn named_tenant(headers: &HeaderMap) -> Result<Option<TenantId>, Problem> {
    let mut values = headers.get_all(&X_TENANT_ID).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(ErrorCode::InvalidRequest, "there must be one x-tenant-id header at most"));
    }
    let text = value.to_str().unwrap_or_default();
    match text.parse() {
        Ok(tenant) => Ok(Some(tenant)),
        Err(error) => Err(Problem::new(ErrorCode::InvalidRequest, format!("x-tenant-id: {error}"))),
    }
}

fn enter_tenant(principal: Principal, named: Option<TenantId>) -> Result<Caller, Problem> {
    let in_development = principal.credential == CredentialKind::Development;
    let named = named.or_else(|| if in_development { DEVELOPMENT_TENANT.parse().ok() } else { None });
    let is_nameless = named.is_none();
    Caller::new(principal, named).ok_or_else(|| {
        if is_nameless {
            let detail = "a platform-scoped credential must name the tenant in the x-tenant-id header";
            Problem::new(ErrorCode::InvalidRequest, detail)
        } else {
            let detail = "x-tenant-id must name the credential's own tenant";
            Problem::new(ErrorCode::TenantMismatch, detail)
        }
    })
}
