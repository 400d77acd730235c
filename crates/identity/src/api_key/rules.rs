//! Which keys may be made, and by whom.

use model::{Role, Scope, Timestamp, Violation};

use super::{Maker, NewApiKey};
use crate::Error;

const MAX_NAME_CHARS: usize = 100;

/// Checks the description of a new key, then whether its maker may have it.
pub(super) fn check(new: &NewApiKey, maker: Maker<'_>, now: Timestamp) -> Result<(), Error> {
    let violations = violations(new, now);
    if !violations.is_empty() {
        return Err(Error::InvalidApiKey(violations));
    }
    check_maker(new, maker)
}

fn violations(new: &NewApiKey, now: Timestamp) -> Vec<Violation> {
    let mut found = Vec::new();
    let length = new.name.chars().count();
    if length == 0 || length > MAX_NAME_CHARS || new.name.chars().any(char::is_control) {
        found.push(Violation::new("/name", "must have 1 to 100 characters, none of them control characters"));
    }
    if new.role == Role::PlatformAdmin && new.scope != Scope::Platform {
        found.push(Violation::new("/role", "a key of one tenant must be user, admin or owner"));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        found.push(Violation::new("/expiresAt", "must lie in the future"));
    }
    found
}

fn check_maker(new: &NewApiKey, maker: Maker<'_>) -> Result<(), Error> {
    let Maker::Caller(caller) = maker else { return Ok(()) };
    match &new.scope {
        Scope::Tenant(tenant) if tenant != caller.tenant() => {
            return Err(Error::BeyondMaker("it must hold in the tenant acted for"));
        }
        Scope::Platform
            if caller.principal().scope != Scope::Platform || !caller.is_at_least(Role::PlatformAdmin) =>
        {
            return Err(Error::BeyondMaker("only a platform_admin makes keys of the platform"));
        }
        _ => {}
    }
    if caller.is_at_least(Role::Admin) && caller.is_at_least(new.role) {
        Ok(())
    } else {
        Err(Error::BeyondMaker("its maker must be an admin, and the role not above the maker's own"))
    }
}

#[cfg(test)]
mod tests {
    use model::{Caller, CredentialKind, Principal};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millisecond(1000);

    fn key(scope: Scope, role: Role) -> NewApiKey {
        NewApiKey { scope, role, name: "deploys".into(), expires_at: None }
    }

    fn acme() -> Scope {
        Scope::Tenant("acme".parse().unwrap())
    }

    fn allowed(new: &NewApiKey, scope: Scope, role: Role) -> bool {
        let principal = Principal {
            scope,
            subject: "u1".into(),
            email: None,
            name: None,
            role,
            credential: CredentialKind::User,
        };
        let caller = Caller::new(principal, Some("acme".parse().unwrap())).unwrap();
        check(new, Maker::Caller(&caller), NOW).is_ok()
    }

    #[test]
    fn nobody_makes_a_key_that_may_do_more_than_they() {
        let admin_key = key(acme(), Role::Admin);
        assert!(allowed(&admin_key, acme(), Role::Admin));
        assert!(allowed(&admin_key, acme(), Role::Owner));
        assert!(allowed(&admin_key, Scope::Platform, Role::PlatformAdmin));
        assert!(!allowed(&admin_key, acme(), Role::User));
        assert!(!allowed(&key(acme(), Role::User), acme(), Role::User));
        assert!(!allowed(&key(acme(), Role::Owner), acme(), Role::Admin));
        assert!(!allowed(&key(Scope::Tenant("other".parse().unwrap()), Role::User), acme(), Role::Owner));
    }

    #[test]
    fn only_the_platforms_admin_makes_keys_of_the_platform() {
        let platform = key(Scope::Platform, Role::User);
        assert!(allowed(&platform, Scope::Platform, Role::PlatformAdmin));
        assert!(!allowed(&platform, Scope::Platform, Role::Owner));
        assert!(!allowed(&platform, acme(), Role::Owner));
        assert!(check(&platform, Maker::Operator, NOW).is_ok());
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let new = NewApiKey {
            scope: acme(),
            role: Role::PlatformAdmin,
            name: "a\nb".into(),
            expires_at: Some(NOW),
        };
        let Err(Error::InvalidApiKey(violations)) = check(&new, Maker::Operator, NOW) else { panic!() };
        assert_eq!(
            violations.iter().map(|one| one.pointer.as_str()).collect::<Vec<_>>(),
            ["/name", "/role", "/expiresAt"]
        );
    }
}
