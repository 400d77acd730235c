//! API keys: made, used, listed, revoked, on SQLite and on PostgreSQL.

use std::sync::Arc;
use std::time::Duration;
use testkit::Postgres;

use identity::{ApiKey, Authenticator, Config, Credentials, Error, MAX_LIVE_KEYS, Maker, NewApiKey};
use model::{CredentialKind, EventKind, Principal, Role, Scope, TenantId};
use secrecy::ExposeSecret;
use storage::{Database, LoggedEvent};
use tempfile::TempDir;

use crate::harness::{ManualClock, ambient, open, sqlite};

struct Keys {
    authenticator: Authenticator,
    database: Database,
    clock: Arc<ManualClock>,
}

impl Keys {
    async fn create(&self, new: NewApiKey) -> Result<(ApiKey, String), Error> {
        let made = self.authenticator.keys().create(new, Maker::Operator).await;
        made.map(|(key, text)| (key, text.expose_secret().to_owned()))
    }

    async fn use_key(&self, text: &str) -> Result<Principal, Error> {
        let header = format!("Bearer {text}");
        self.authenticator.authenticate(&Credentials::new(Some(&header), [])).await.map(Option::unwrap)
    }

    async fn list(&self, scope: &Scope) -> Vec<ApiKey> {
        self.authenticator.keys().list(scope).await.unwrap()
    }

    async fn events(&self) -> Vec<LoggedEvent> {
        storage::events_after(&mut self.database.read().await.unwrap(), 0).await.unwrap()
    }
}

fn acme() -> Scope {
    Scope::Tenant("acme".parse().unwrap())
}

fn new(scope: Scope, role: Role) -> NewApiKey {
    NewApiKey { scope, role, name: "deploys".into(), expires_at: None }
}

/// The same checks on either database.
async fn check(database: Database, clock: Arc<ManualClock>, ambient: model::Ambient) {
    let authenticator = Authenticator::new(&Config::default(), database.clone(), ambient).unwrap();
    let keys = Keys { authenticator, database, clock };
    a_key_works_until_it_is_revoked(&keys).await;
    a_key_expires(&keys).await;
    tenants_see_and_revoke_their_own(&keys).await;
    the_last_use_is_written_once_a_minute(&keys).await;
    the_number_of_live_keys_is_bounded(&keys).await;
}

#[tokio::test]
async fn on_sqlite() {
    let folder = TempDir::new().unwrap();
    let (clock, ambient) = ambient();
    check(sqlite(folder.path(), &ambient).await, clock, ambient).await;
}

#[tokio::test]
async fn on_postgres() {
    let server = Postgres::start().unwrap();
    let (clock, ambient) = ambient();
    let database = open(&server.database().unwrap().parse().unwrap(), &ambient).await;
    check(database.clone(), clock, ambient).await;
    database.close().await;
}

async fn a_key_works_until_it_is_revoked(keys: &Keys) {
    let (key, text) = keys.create(new(acme(), Role::Admin)).await.unwrap();
    let principal = keys.use_key(&text).await.unwrap();
    assert_eq!(principal.scope, acme());
    assert_eq!((principal.role, principal.credential), (Role::Admin, CredentialKind::ApiKey));
    assert_eq!((principal.subject.as_str(), principal.name.as_deref()), (key.id.as_str(), Some("deploys")));

    let (_, other) = keys.create(new(acme(), Role::User)).await.unwrap();
    let (id_end, other_id_end) = (text.rfind('_').unwrap(), other.rfind('_').unwrap());
    let mixed = format!("{}{}", &text[..id_end], &other[other_id_end..]);
    assert!(matches!(keys.use_key(&mixed).await, Err(Error::ApiKeyForm)));
    let secret_end = other.len() - 8;
    let forged = with_checksum(&format!("{}{}", &text[..id_end], &other[other_id_end..secret_end]));
    assert!(matches!(keys.use_key(&forged).await, Err(Error::ApiKeyUnknown)));

    let unmade = with_checksum(&format!("jf_{}{}", "0".repeat(26), &other[other_id_end..secret_end]));
    assert!(matches!(keys.use_key(&unmade).await, Err(Error::ApiKeyUnknown)));

    let revoked = keys.authenticator.keys().revoke(&acme(), &key.id).await.unwrap();
    assert!(revoked.revoked_at.is_some());
    assert!(matches!(keys.use_key(&text).await, Err(Error::ApiKeyRevoked)));
    keys.authenticator.keys().revoke(&acme(), &key.id).await.unwrap();

    let told: Vec<_> = keys.events().await.into_iter().filter(|event| event.subject == key.id).collect();
    let kinds: Vec<_> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, [EventKind::ApiKeyCreated.as_str(), EventKind::ApiKeyRevoked.as_str()]);
    for event in told {
        assert_eq!(event.tenant.as_deref(), Some("acme"));
        assert!(!event.data.contains(&text[id_end + 1..]), "an event holds the secret");
    }
}

/// A key whose form is right though nobody made it.
fn with_checksum(body: &str) -> String {
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    format!("{body}{}", hex::encode(&sum.as_ref()[..4]))
}

async fn a_key_expires(keys: &Keys) {
    let now = model::Clock::now(&*keys.clock);
    let expires_at = Some(now.plus(Duration::from_hours(1)));
    let (_, text) = keys.create(NewApiKey { expires_at, ..new(acme(), Role::User) }).await.unwrap();
    keys.use_key(&text).await.unwrap();
    keys.clock.advance(Duration::from_hours(1));
    assert!(matches!(keys.use_key(&text).await, Err(Error::ApiKeyExpired)));
}

async fn tenants_see_and_revoke_their_own(keys: &Keys) {
    let other = Scope::Tenant("other".parse::<TenantId>().unwrap());
    let (theirs, _) = keys.create(new(other.clone(), Role::Owner)).await.unwrap();
    let (platform, text) = keys.create(new(Scope::Platform, Role::PlatformAdmin)).await.unwrap();
    assert_eq!(keys.use_key(&text).await.unwrap().scope, Scope::Platform);
    assert_eq!(keys.list(&other).await.iter().map(|key| &key.id).collect::<Vec<_>>(), [&theirs.id]);
    assert_eq!(
        keys.list(&Scope::Platform).await.iter().map(|key| &key.id).collect::<Vec<_>>(),
        [&platform.id]
    );
    for id in [theirs.id.as_str(), platform.id.as_str(), "nothing"] {
        let outcome = keys.authenticator.keys().revoke(&acme(), id).await;
        assert!(matches!(outcome, Err(Error::NoSuchApiKey)), "{id}");
    }
    assert!(keys.authenticator.keys().revoke(&Scope::Platform, &theirs.id).await.is_ok());
    keys.use_key(&text).await.unwrap();
}

async fn the_last_use_is_written_once_a_minute(keys: &Keys) {
    let scope = Scope::Tenant("busy".parse().unwrap());
    let (key, text) = keys.create(new(scope.clone(), Role::User)).await.unwrap();
    assert_eq!(key.last_used_at, None);
    let last_used = async || keys.list(&scope).await[0].last_used_at;
    for _ in 0..2 {
        let begun = model::Clock::now(&*keys.clock);
        keys.use_key(&text).await.unwrap();
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while last_used().await != Some(begun) {
            assert!(tokio::time::Instant::now() < deadline, "the last use was not written");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        keys.clock.advance(Duration::from_secs(59));
        keys.use_key(&text).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(last_used().await, Some(begun));
        keys.clock.advance(Duration::from_secs(1));
    }
}

async fn the_number_of_live_keys_is_bounded(keys: &Keys) {
    let scope = Scope::Tenant("many".parse().unwrap());
    let mut first = None;
    for _ in 0..MAX_LIVE_KEYS {
        let (key, _) = keys.create(new(scope.clone(), Role::User)).await.unwrap();
        first.get_or_insert(key.id);
    }
    assert!(matches!(keys.create(new(scope.clone(), Role::User)).await, Err(Error::TooManyApiKeys { .. })));
    let first = first.unwrap();
    keys.authenticator.keys().revoke(&scope, &first).await.unwrap();
    keys.create(new(scope.clone(), Role::User)).await.unwrap();
    assert!(keys.list(&scope).await.iter().any(|key| key.id == first));
    keys.clock.advance(Duration::from_hours(91 * 24));
    let live = keys.list(&scope).await.into_iter().find(|key| key.revoked_at.is_none()).unwrap();
    keys.authenticator.keys().revoke(&scope, &live.id).await.unwrap();
    keys.create(new(scope.clone(), Role::User)).await.unwrap();
    assert!(!keys.list(&scope).await.iter().any(|key| key.id == first), "a dead key was kept");
}
