//! The vault on both databases, with providers that fail at the worst moment and a clock that the tests hold.

mod apps;
mod background;
mod failing;
mod processes;
mod provider;
mod renewing;
mod sharing;
mod silence;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use connections::catalog::{Flow, Rotation};
use connections::connection::{CredentialKey, Tokens};
use connections::vault::{AccessToken, Error, Granted, Settings, Vault};
use model::{Ambient, Clock as _, Coded as _};
use secrecy::ExposeSecret as _;
use storage::{Database, LoggedEvent, MasterKey, Migration, Sealer, Tx, events_after, on};
use tempfile::TempDir;
use testkit::{ManualClock, Postgres};

use provider::Provider;

/// One PostgreSQL server for all tests; each has a database of its own in it.
static POSTGRES: LazyLock<Postgres> = LazyLock::new(|| Postgres::start().unwrap());
const MIGRATIONS: &[&[Migration]] = &[storage::MIGRATIONS, connections::MIGRATIONS];
/// 32 bytes in base64.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Each refresh ends the refresh token that it was made with, and nothing forgives a second use.
const ROTATING: Rotation = Rotation { rotates: true, reuse_leeway: None, idle_ttl: None, absolute_ttl: None };
/// The same, but a second use within ten minutes is forgiven.
const FORGIVING: Rotation = Rotation { reuse_leeway: Some(Duration::from_mins(10)), ..ROTATING };
/// One refresh token for ever.
const LASTING: Rotation = Rotation { rotates: false, ..ROTATING };

/// Makes a test of each function on SQLite, and one on PostgreSQL.
macro_rules! on_both_databases {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::vault::Place::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$test(crate::vault::Place::postgres()).await;
            })*
        }
    };
}
use on_both_databases;

/// Where a database is, or is to be. A file goes when this goes.
struct Place {
    url: String,
    _folder: Option<TempDir>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        Self { url: format!("sqlite:{}", folder.path().join("test.db").display()), _folder: Some(folder) }
    }

    fn postgres() -> Self {
        Self { url: POSTGRES.database().unwrap(), _folder: None }
    }
}

/// A database, a provider, and one replica.
struct World {
    place: Place,
    database: Database,
    sealer: Sealer,
    clock: Arc<ManualClock>,
    ambient: Ambient,
    provider: Arc<Provider>,
    vault: Vault,
}

impl World {
    async fn new(place: Place, rotation: Rotation) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database =
            Database::open(&place.url.parse().unwrap(), MIGRATIONS, ambient.clone()).await.unwrap();
        let sealer = sealer(&database, &ambient).await;
        let provider = Provider::new(ambient.clone(), rotation);
        let vault = Vault::new(
            database.clone(),
            sealer.clone(),
            Arc::<Provider>::clone(&provider),
            ambient.clone(),
            Settings { background_per_second: 10_000, ..Settings::default() },
        );
        Self { place, database, sealer, clock, ambient, provider, vault }
    }

    /// Another process, as far as one process can be two.
    fn replica(&self) -> Vault {
        Vault::new(
            self.database.clone(),
            self.sealer.clone(),
            Arc::<Provider>::clone(&self.provider),
            self.ambient.clone(),
            Settings { background_per_second: 10_000, ..Settings::default() },
        )
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A connection of acme's with an access token for an hour.
    async fn connect(&self, id: &str) -> CredentialKey {
        self.connect_with(id, tokens(id), Flow::AuthorizationCode).await
    }

    async fn connect_with(&self, id: &str, tokens: Tokens, flow: Flow) -> CredentialKey {
        let key = key(id);
        let mut tx = self.database.begin().await.unwrap();
        insert_connection(&mut tx, &key, self.clock.now().as_millisecond()).await;
        self.store(&mut tx, &key, &tokens, flow).await;
        tx.commit().await.unwrap();
        key
    }

    async fn store(&self, tx: &mut Tx, key: &CredentialKey, tokens: &Tokens, flow: Flow) {
        use connections::vault::Redeem as _;
        let granted = Granted {
            tokens,
            scopes: &["read".to_owned()],
            rotation: self.provider.rotation(&"sample".parse().unwrap()),
            flow,
            authorized_at: self.clock.now(),
        };
        self.vault.store_tokens(tx, key, &granted).await.unwrap();
    }

    /// The user consents again.
    async fn reconnect(&self, key: &CredentialKey, tokens: &Tokens) {
        let mut tx = self.database.begin().await.unwrap();
        self.store(&mut tx, key, tokens, Flow::AuthorizationCode).await;
        tx.commit().await.unwrap();
        self.vault.forget(&key.tenant, &key.connection);
    }

    async fn run(&self, sql: &'static str) {
        run(&self.database, sql).await;
    }

    async fn text(&self, sql: &'static str) -> String {
        text(&self.database, sql).await
    }

    async fn events(&self, kind: &str) -> Vec<LoggedEvent> {
        let all = events_after(&mut self.database.read().await.unwrap(), 0).await.unwrap();
        all.into_iter().filter(|event| event.kind == kind).collect()
    }
}

async fn sealer(database: &Database, ambient: &Ambient) -> Sealer {
    let master = MasterKey::from_base64(&MASTER_KEY.into()).unwrap();
    Sealer::open(database, master, ambient.clone()).await.unwrap()
}

async fn run(database: &Database, sql: &'static str) {
    let mut tx = database.begin().await.unwrap();
    on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
}

async fn text(database: &Database, sql: &'static str) -> String {
    let mut conn = database.read().await.unwrap();
    let row: Option<(Option<String>,)> = on!(conn, |c| sqlx::query_as(sql).fetch_optional(c).await).unwrap();
    row.and_then(|(text,)| text).unwrap_or_else(|| "-".into())
}

async fn insert_connection(tx: &mut Tx, key: &CredentialKey, now: i64) {
    on!(tx, |c| sqlx::query(
        "INSERT INTO connection (tenant, id, provider, user_email, label, is_default, status, account_id, variables,
            sites, client_id, authorized_at, created_at, updated_at)
         VALUES ($1, $2, 'sample', 'ann@acme.test', 'Mine', FALSE, 'active', $2, '{}', '[]', 'app', $3, $3, $3)"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(now)
    .execute(c)
    .await
    .map(drop))
    .unwrap();
}

fn key(connection: &str) -> CredentialKey {
    CredentialKey { tenant: "acme".parse().unwrap(), connection: connection.into(), name: "main".into() }
}

/// What the provider gave for a grant at first.
fn tokens(grant: &str) -> Tokens {
    Tokens {
        access: format!("access-{grant}-0").into(),
        refresh: Some(format!("refresh-{grant}-0").into()),
        expires_in: Some(Duration::from_hours(1)),
        scopes: None,
    }
}

fn secret(token: &AccessToken) -> &str {
    token.secret.expose_secret()
}

/// The access token, or the code of the error.
fn outcome(outcome: &Result<Arc<AccessToken>, Error>) -> String {
    match outcome {
        Ok(token) => secret(token).to_owned(),
        Err(error) => error.code().to_string(),
    }
}

async fn get(vault: &Vault, key: &CredentialKey) -> String {
    outcome(&vault.access_token(key).await)
}

/// Waits until `condition` holds; a test that waits longer than 20 seconds fails.
async fn until<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < Duration::from_secs(20), "this never came to be: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
