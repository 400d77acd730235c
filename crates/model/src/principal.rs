//! Who is calling, and what that allows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::TenantId;

/// What a principal may do. Ordered: a later role may do all that an earlier one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Uses what the tenant has installed.
    User,
    /// Installs and configures plugins for its tenant.
    Admin,
    /// As `Admin`; kept apart because host products tell them apart.
    Owner,
    /// Runs the platform: every tenant, and the shared catalog.
    PlatformAdmin,
}

impl Role {
    /// The word that stands in tokens and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Owner => "owner",
            Self::PlatformAdmin => "platform_admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A role name that is none of the four.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("role must be one of user, admin, owner, platform_admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            "owner" => Ok(Self::Owner),
            "platform_admin" => Ok(Self::PlatformAdmin),
            _ => Err(UnknownRole),
        }
    }
}

/// Where a credential holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// In every tenant; a request names the one it means.
    Platform,
    /// In one tenant alone.
    Tenant(TenantId),
}

/// What kind of credential proved the identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A signed token or a session of the host product.
    User,
    /// A `jf_…` API key.
    ApiKey,
    /// A session token of the platform that shows this server's pages in its own.
    StoreSession,
    /// No credential, on a loopback `serve --dev`.
    Development,
}

/// An authenticated identity, before a tenant has been chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Where the credential holds.
    pub scope: Scope,
    /// The `sub` claim, or the API key's id.
    pub subject: String,
    /// The e-mail address that the credential vouches for.
    pub email: Option<String>,
    /// A name to show to people.
    pub name: Option<String>,
    /// What it may do.
    pub role: Role,
    /// How it was proven.
    pub credential: CredentialKind,
}

/// A principal acting for one tenant. Having one means that the tenant wall was passed: the credential is that
/// tenant's own, or the platform's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    tenant: TenantId,
    principal: Principal,
}

impl Caller {
    /// `principal` acting for `named` (the `x-tenant-id` of the request), or for its own tenant.
    ///
    /// `None` where the credential does not hold in the tenant named, or names no tenant at all.
    pub fn new(principal: Principal, named: Option<TenantId>) -> Option<Self> {
        let tenant = match (&principal.scope, named) {
            (Scope::Tenant(own), None) => own.clone(),
            (Scope::Tenant(own), Some(named)) if *own == named => named,
            (Scope::Platform, Some(named)) => named,
            (Scope::Tenant(_), Some(_)) | (Scope::Platform, None) => return None,
        };
        Some(Self { tenant, principal })
    }

    /// The tenant acted for.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Who acts.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Whether the caller's role is `role` or one above it.
    pub fn is_at_least(&self, role: Role) -> bool {
        self.principal.role >= role
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(scope: Scope) -> Principal {
        Principal {
            scope,
            subject: "u1".into(),
            email: None,
            name: None,
            role: Role::Admin,
            credential: CredentialKind::User,
        }
    }

    #[test]
    fn a_tenants_credential_stays_within_the_tenant() {
        let acme: TenantId = "acme".parse().unwrap();
        let other: TenantId = "other".parse().unwrap();
        let own = principal(Scope::Tenant(acme.clone()));
        assert_eq!(Caller::new(own.clone(), None).unwrap().tenant(), &acme);
        assert_eq!(Caller::new(own.clone(), Some(acme.clone())).unwrap().tenant(), &acme);
        assert_eq!(Caller::new(own, Some(other.clone())), None);
        assert_eq!(Caller::new(principal(Scope::Platform), Some(other.clone())).unwrap().tenant(), &other);
        assert_eq!(Caller::new(principal(Scope::Platform), None), None);
    }

    #[test]
    fn an_owner_may_do_what_an_admin_may() {
        assert!(Role::Owner >= Role::Admin);
        assert!(Role::User < Role::Admin);
    }
}
