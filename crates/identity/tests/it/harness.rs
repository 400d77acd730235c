//! What the tests share: a clock that can be set, an authenticator on a fresh database, samples from Node.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use identity::{Authenticator, Config, Credentials, Error, IssuerUrl};
use model::{Ambient, Clock, Principal, SystemRandom, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::json;
use storage::{Database, DatabaseUrl};
use tempfile::TempDir;

pub(crate) const AUDIENCE: &str = "jackfield";

/// A clock that begins with the machine's time and moves only when told.
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.0.load(Ordering::SeqCst))
    }
}

/// Surroundings with a clock in hand.
pub(crate) fn ambient() -> (Arc<ManualClock>, Ambient) {
    let clock = Arc::new(ManualClock(AtomicI64::new(Ambient::system().now().as_millisecond())));
    let ambient = Ambient::new(clock.clone(), Arc::new(SystemRandom));
    (clock, ambient)
}

/// An authenticator on a database of its own, which goes when this goes.
pub(crate) struct Fixture {
    pub(crate) authenticator: Authenticator,
    pub(crate) clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) async fn new(config: &Config) -> Self {
        let (clock, ambient) = ambient();
        let folder = TempDir::new().unwrap();
        let database = sqlite(folder.path(), &ambient).await;
        let authenticator = Authenticator::new(config, database, ambient).unwrap();
        Self { authenticator, clock, _folder: folder }
    }

    pub(crate) async fn bearer(&self, token: &str) -> Result<Principal, Error> {
        let header = format!("Bearer {token}");
        let credentials = Credentials::new(Some(&header), []);
        self.authenticator.authenticate(&credentials).await.map(Option::unwrap)
    }

    pub(crate) async fn cookie(&self, header: &str) -> Result<Option<Principal>, Error> {
        self.authenticator.authenticate(&Credentials::new(None, [header])).await
    }
}

pub(crate) async fn sqlite(folder: &Path, ambient: &Ambient) -> Database {
    open(&DatabaseUrl::Sqlite(folder.join("test.db")), ambient).await
}

pub(crate) async fn open(url: &DatabaseUrl, ambient: &Ambient) -> Database {
    Database::open(url, &[storage::MIGRATIONS, identity::MIGRATIONS], ambient.clone()).await.unwrap()
}

/// A new secret, as `openssl rand -hex 32` makes them.
pub(crate) fn secret() -> SecretString {
    hex::encode(Ambient::system().bytes::<32>()).into()
}

/// A configuration with three different secrets.
pub(crate) fn config() -> Config {
    Config {
        jwt_secret: Some(secret()),
        nextauth_secret: Some(secret()),
        auth_secret: Some(secret()),
        ..Config::default()
    }
}

/// What `tests/tokens/samples.mjs` prints, made anew with the secrets of `config`; tokens with public keys only where
/// there is an `issuer`.
pub(crate) fn samples<T: DeserializeOwned>(config: &Config, issuer: Option<&IssuerUrl>) -> T {
    let text = |secret: &Option<SecretString>| secret.as_ref().unwrap().expose_secret().to_owned();
    let input = json!({
        "jwtSecret": text(&config.jwt_secret),
        "nextauthSecret": text(&config.nextauth_secret),
        "authSecret": text(&config.auth_secret),
        "issuer": issuer.map(IssuerUrl::as_str),
        "audience": AUDIENCE,
    });
    serde_json::from_value(testkit::token_samples(&input).unwrap()).unwrap()
}
