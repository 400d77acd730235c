//! Who is calling: a handler that holds one of these values was allowed to be called.

use std::ops::Deref;

use axum::extract::{FromRef, FromRequestParts};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use identity::{Carrier, Credentials};
use model::{Caller, CredentialKind, ErrorCode, Principal, Role, Scope, TenantId};
use registry::{Author, Owner};

use super::session_token::session_token;
use crate::problem::Problem;
use crate::{App, RequestContext};

static X_TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");

/// The tenant of a request in development that names none.
const DEVELOPMENT_TENANT: &str = "default";

/// The caller of a route that is open to all; `None` for a stranger. A wrong credential is refused all the same, unless it
/// is a cookie: those come by themselves, also from other applications of the same host.
#[derive(Debug, Clone)]
pub struct MaybeCaller(pub Option<Caller>);

/// The tenant that a public request is about: the caller's, or the one that a stranger names. What is answered to it
/// must be for everybody to see.
#[derive(Debug, Clone)]
pub struct PublicTenant(pub Option<TenantId>);

/// A caller of any role.
#[derive(Debug, Clone)]
pub struct User(pub Caller);

/// A caller who is at least an admin of the tenant.
#[derive(Debug, Clone)]
pub struct Admin(pub Caller);

/// One who runs the platform. No tenant need be named.
#[derive(Debug, Clone)]
pub struct PlatformAdmin(pub Principal);

/// One who publishes plugins: an admin into its tenant's own catalog, who runs the platform into the shared one.
#[derive(Debug, Clone)]
pub struct Publisher(pub Author);

impl<S: Send + Sync> FromRequestParts<S> for MaybeCaller
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let principal = match principal(&app, parts).await {
            Err(Refusal::Cookie(_)) => None,
            proven => proven?,
        };
        match principal {
            // Who speaks for the whole platform and names no tenant reads as the public does.
            Some(principal) if principal.scope == Scope::Platform && !names_tenant(parts, &principal) => {
                Ok(Self(None))
            }
            Some(principal) => enter_tenant(&app, parts, principal).map(Some).map(Self),
            None => Ok(Self(None)),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PublicTenant
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let named = named_tenant(&parts.headers)?;
        let MaybeCaller(caller) = MaybeCaller::from_request_parts(parts, state).await?;
        // In development every request has a caller, and its default tenant is nobody's wish.
        let known = caller.filter(|caller| caller.principal().credential != CredentialKind::Development);
        Ok(Self(known.map(|caller| caller.tenant().clone()).or(named)))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for PlatformAdmin
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let principal = known(principal(&App::from_ref(state), parts).await?)?;
        if principal.role >= Role::PlatformAdmin && principal.scope == Scope::Platform {
            Ok(Self(principal))
        } else {
            Err(insufficient(Role::PlatformAdmin, principal.role))
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Publisher
where
    App: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let app = App::from_ref(state);
        let principal = known(principal(&app, parts).await?)?;
        let subject = principal.subject.clone();
        if principal.role >= Role::PlatformAdmin && principal.scope == Scope::Platform {
            return Ok(Self(Author { owner: Owner::Shared, subject }));
        }
        let caller = require(Role::Admin, enter_tenant(&app, parts, principal)?)?;
        Ok(Self(Author { owner: Owner::Tenant(caller.tenant().clone()), subject }))
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
                let app = App::from_ref(state);
                let principal = known(principal(&app, parts).await?)?;
                require($role, enter_tenant(&app, parts, principal)?).map(Self)
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

fn known(principal: Option<Principal>) -> Result<Principal, Problem> {
    principal.ok_or_else(|| identity::Error::Missing.into())
}

fn require(role: Role, caller: Caller) -> Result<Caller, Problem> {
    if caller.is_at_least(role) { Ok(caller) } else { Err(insufficient(role, caller.principal().role)) }
}

fn insufficient(needed: Role, own: Role) -> Problem {
    Problem::new(
        ErrorCode::InsufficientRole,
        format!("this needs the role {needed} or one above it; the credential's is {own}"),
    )
}

/// Whether the credential of `parts` is still `begun`'s. That nobody can tell now is no reason to break off what was begun.
pub(super) async fn still_proves(app: &App, parts: &Parts, begun: &Principal) -> bool {
    match principal(app, parts).await {
        Ok(now) => now.as_ref() == Some(begun),
        Err(Refusal::Cookie(_)) => false,
        Err(Refusal::Other(problem)) => {
            matches!(problem.code(), ErrorCode::Internal | ErrorCode::Unavailable)
        }
    }
}

/// Why there is no principal though there is a credential.
enum Refusal {
    /// The browser sent a session cookie that proves nothing.
    Cookie(identity::Error),
    /// Anything else.
    Other(Problem),
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Cookie(error) => error.into(),
            Refusal::Other(problem) => problem,
        }
    }
}

/// The identity behind the request: proven by a credential, or assumed in development. `Authorization` decides where there is
/// one; then a session cookie that is good; then the platform's session token in the query. Where no app at a platform is
/// configured, that parameter means nothing, so that it is not even looked at.
async fn principal(app: &App, parts: &Parts) -> Result<Option<Principal>, Refusal> {
    let mut authorizations = parts.headers.get_all(header::AUTHORIZATION).iter();
    let authorization =
        authorizations.next().map(|value| value.to_str()).transpose().map_err(|_| unreadable())?;
    if authorizations.next().is_some() {
        let detail = "there must be one Authorization header at most";
        return Err(Problem::new(ErrorCode::InvalidRequest, detail).into());
    }
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let is_accepted = authorization.is_none() && app.authenticator().takes_store_sessions();
    let token = if is_accepted { session_token(parts.uri.query())? } else { None };
    let credentials = Credentials::new(authorization, cookies).with_store_session(token.as_deref());
    // Asked first, so that another site cannot even make a session be looked at.
    let is_cookie = credentials.carrier() == Some(Carrier::Cookie);
    if is_cookie && !app.options().origins.permits_cookie(parts) {
        return Err(Problem::new(
            ErrorCode::OriginNotAllowed,
            "a page of another origin may not act by a session cookie: list its origin in ALLOWED_ORIGINS, \
             or send `Authorization: Bearer …`",
        )
        .into());
    }
    let is_development = app.options().development;
    // Where there is also a token in the query, it is what was refused in the end.
    let is_cookie = is_cookie && token.is_none();
    let proven = match app.authenticator().authenticate(&credentials).await {
        // Another application on this machine has set it: cookies do not tell ports apart.
        Err(_) if is_development && is_cookie => None,
        Err(error) if is_cookie => return Err(Refusal::Cookie(error)),
        proven => proven.map_err(Problem::from)?,
    };
    match proven {
        Some(principal) => Ok(Some(principal)),
        None if is_development => Ok(Some(development(app, parts)?)),
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

/// Whether the request says for which tenant it acts; in development it always does.
fn names_tenant(parts: &Parts, principal: &Principal) -> bool {
    parts.headers.contains_key(&X_TENANT_ID) || principal.credential == CredentialKind::Development
}

/// The wall between tenants: `principal` acting for the tenant that the request names, or for its own.
fn enter_tenant(app: &App, parts: &Parts, principal: Principal) -> Result<Caller, Problem> {
    let mut named = named_tenant(&parts.headers)?;
    if named.is_none() && principal.credential == CredentialKind::Development {
        named = DEVELOPMENT_TENANT.parse().ok();
    }
    let is_nameless = named.is_none();
    let caller = Caller::new(principal, named).ok_or_else(|| {
        if is_nameless {
            let detail = "a platform-scoped credential must name the tenant in the x-tenant-id header";
            Problem::new(ErrorCode::InvalidRequest, detail)
        } else {
            let detail = "x-tenant-id must name the credential's own tenant";
            Problem::new(ErrorCode::TenantMismatch, detail)
        }
    })?;
    if let Some(context) = parts.extensions.get::<RequestContext>() {
        context.note_tenant(caller.tenant());
    }
    app.rate_limits().count_tenant(caller.tenant())?;
    Ok(caller)
}
