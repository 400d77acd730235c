//! A broker on a database of the test's own, with two providers on loopback.

use std::sync::Arc;
use std::time::Duration;

use connections::activity::{Filter, Recorded};
use connections::catalog::{Catalog, Discovery, Flow, Rotation};
use connections::connection::{CredentialKey, Tokens};
use connections::{Connections, Parts, vault};
use futures::TryStreamExt as _;
use model::{Ambient, TenantId};
use secrecy::ExposeSecret as _;
use storage::{Database, MasterKey, Sealer, on};
use testkit::ManualClock;

use crate::hostile_provider::{CLIENT_ID, CLIENT_SECRET, HostileProvider, http};
use crate::place::Place;

/// 32 bytes in base64.
const MASTER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A broker and what it works with. `honest` is the provider on loopback; `mute` is the same without a way to revoke.
/// Of `shop`, `store` and `depot` connections are the tenant's: `store` tells no account, and `depot` takes keys.
pub(crate) struct Broker {
    pub(crate) connections: Connections,
    pub(crate) database: Database,
    pub(crate) hostile: HostileProvider,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ambient: Ambient,
}

impl Broker {
    pub(crate) async fn new(place: &Place) -> Self {
        let (clock, ambient) = ManualClock::ambient();
        let database = place.open(&ambient).await;
        let hostile = HostileProvider::start().await;
        let connections = connections(&database, &hostile, &ambient).await;
        Self { connections, database, hostile, clock, ambient }
    }

    /// Another process on the same database.
    pub(crate) async fn replica(&self) -> Connections {
        connections(&self.database, &self.hostile, &self.ambient).await
    }

    /// A connection of `{id}@example.com` as after a consent.
    pub(crate) async fn connect(&self, tenant: &str, provider: &str, id: &str) -> CredentialKey {
        let tokens = self.hostile.issue();
        let tenant: TenantId = tenant.parse().unwrap();
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query(
            "INSERT INTO connection (tenant, id, provider, user_email, label, is_default, status, account_id, \
             variables, sites, client_id, authorized_at, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, 'x', TRUE, 'active', $2, '{}', '[]', $5, $6, $6, $6)"
        )
        .bind(tenant.as_str())
        .bind(id)
        .bind(provider)
        .bind(format!("{id}@example.com"))
        .bind(CLIENT_ID)
        .bind(self.ambient.now().as_millisecond())
        .execute(c)
        .await
        .map(drop))
        .unwrap();
        let key = CredentialKey { tenant, connection: id.to_owned(), name: "main".to_owned() };
        self.store(&mut tx, &key, &tokens).await;
        tx.commit().await.unwrap();
        key
    }

    /// New tokens for a connection, as after its user has consented again; the access token.
    pub(crate) async fn consent_again(&self, key: &CredentialKey) -> String {
        let tokens = self.hostile.issue();
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query("UPDATE connection SET authorized_at = $3 WHERE tenant = $1 AND id = $2")
            .bind(key.tenant.as_str())
            .bind(&key.connection)
            .bind(self.ambient.now().as_millisecond())
            .execute(c)
            .await
            .map(drop))
        .unwrap();
        self.store(&mut tx, key, &tokens).await;
        tx.commit().await.unwrap();
        tokens.access.expose_secret().to_owned()
    }

    async fn store(&self, tx: &mut storage::Tx, key: &CredentialKey, tokens: &Tokens) {
        let granted = vault::Granted {
            tokens,
            scopes: &[],
            rotation: Rotation::default(),
            flow: Flow::AuthorizationCode,
            authorized_at: self.ambient.now(),
        };
        self.connections.vault().store_tokens(tx, key, &granted).await.unwrap();
    }

    /// What was recorded in `tenant`, newest first, once it is written.
    pub(crate) async fn activity(&self, tenant: &str) -> Vec<Recorded> {
        self.connections.activity().close().await;
        let pages = self.connections.activity().export(tenant.parse().unwrap(), Filter::default());
        pages.try_collect::<Vec<_>>().await.unwrap().concat()
    }

    /// What seals on this database.
    pub(crate) async fn sealer(&self) -> Sealer {
        sealer(&self.database, &self.ambient).await
    }

    /// Runs a statement that needs no parameters.
    pub(crate) async fn run_sql(&self, sql: &'static str) {
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }
}

async fn connections(database: &Database, hostile: &HostileProvider, ambient: &Ambient) -> Connections {
    let entry = |name: &str, more: &str| {
        format!(
            "[providers.{name}]\nname = \"{name}\"\nauthorization_url = \"{}\"\ntoken_url = \"{}\"\n\
             userinfo_url = \"{}\"\nclient_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n{more}\n",
            hostile.url("/authorize"),
            hostile.url("/token"),
            hostile.url("/userinfo"),
        )
    };
    let revocation = format!("revocation_url = \"{}\"", hostile.url("/revoke"));
    let keyed =
        format!("[providers.keyed]\nflow = \"api_key\"\nuserinfo_url = \"{}\"\n", hostile.url("/userinfo"));
    let owned = "owner = \"tenant\"\n";
    let file = [
        entry("honest", &revocation),
        entry("mute", "scopes = [\"notes\"]"),
        keyed,
        entry("shop", &format!("{owned}{revocation}")),
        entry("store", &format!("{owned}account = {{}}")),
        format!("[providers.depot]\nflow = \"api_key\"\n{owned}"),
    ];
    let file = file.concat();
    let http = http(Duration::from_secs(2));
    Connections::new(Parts {
        database: database.clone(),
        sealer: sealer(database, ambient).await,
        catalog: Catalog::load(&[], Some(&file), &|_| None).unwrap(),
        discovery: Discovery::new(http.outward().clone(), ambient.clone()),
        http,
        public_url: "http://localhost:4000".parse().unwrap(),
        token_reads: false,
        vault: vault::Settings::default(),
        ambient: ambient.clone(),
    })
}

async fn sealer(database: &Database, ambient: &Ambient) -> Sealer {
    let master = MasterKey::from_base64(&MASTER_KEY.into()).unwrap();
    Sealer::open(database, master, ambient.clone()).await.unwrap()
}
