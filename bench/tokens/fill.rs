//! Connections in bulk: rows as a consent leaves them, their tokens sealed by the vault itself.

use std::sync::Arc;

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connections::catalog::{Flow, Rotation};
use connections::connection::{CredentialKey, Tokens};
use connections::vault::{Granted, Vault};
use model::Ambient;
use secrecy::SecretString;
use std::time::Duration;
use storage::{Database, Sealer, Tx, on};
use tokio::task::JoinSet;

use crate::PER_TENANT;

/// How many tenants are written at a time. SQLite has one writer.
const WRITERS: usize = 4;
const LIFETIME: Duration = Duration::from_hours(1);
const MINUTE_MS: i64 = 60_000;
/// About as long as Google's.
const ACCESS_BYTES: usize = 160;
const REFRESH_BYTES: usize = 77;

/// Writes `count` connections, all consented to now and for an hour, and names their credentials.
pub(crate) async fn run(database: &Database, sealer: &Sealer, count: usize) -> Vec<CredentialKey> {
    let vault = Arc::new(crate::vault(database, sealer));
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (vault, database) = (Arc::clone(&vault), database.clone());
        tasks.spawn(async move {
            let mut keys = Vec::new();
            for tenant in (writer..count.div_ceil(PER_TENANT)).step_by(WRITERS) {
                let numbers = tenant * PER_TENANT..count.min((tenant + 1) * PER_TENANT);
                keys.extend(write_tenant(&database, &vault, tenant, numbers).await);
            }
            keys
        });
    }
    tasks.join_all().await.concat()
}

/// The connections of one tenant, in one transaction.
async fn write_tenant(
    database: &Database,
    vault: &Vault,
    tenant: usize,
    numbers: std::ops::Range<usize>,
) -> Vec<CredentialKey> {
    let ambient = Ambient::system();
    let mut tx = database.begin().await.expect("a transaction");
    let mut keys = Vec::new();
    for number in numbers {
        let key = CredentialKey {
            tenant: format!("tenant-{tenant}").parse().expect("a tenant's name"),
            connection: model::new_id(&ambient),
            name: "main".to_owned(),
        };
        insert_connection(&mut tx, &key, number, ambient.now().as_millisecond()).await;
        let tokens = Tokens {
            access: secret::<ACCESS_BYTES>(),
            refresh: Some(secret::<REFRESH_BYTES>()),
            expires_in: Some(LIFETIME),
            scopes: None,
        };
        let granted = Granted {
            tokens: &tokens,
            scopes: &["openid".to_owned(), "email".to_owned(), "profile".to_owned()],
            rotation: Rotation { rotates: true, ..Rotation::default() },
            flow: Flow::AuthorizationCode,
            authorized_at: ambient.now(),
        };
        vault.store_tokens(&mut tx, &key, &granted).await.expect("sealed tokens");
        keys.push(key);
    }
    tx.commit().await.expect("a commit");
    keys
}

/// Text as random as a token.
fn secret<const N: usize>() -> SecretString {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("random bytes");
    URL_SAFE_NO_PAD.encode(bytes).into()
}

/// The row that a consent of `user-NUMBER` leaves. The account's id is the number.
async fn insert_connection(tx: &mut Tx, key: &CredentialKey, number: usize, now: i64) {
    on!(tx, |c| sqlx::query(
        "INSERT INTO connection (tenant, id, provider, user_email, label, is_default, status, account_id,
            account_email, variables, sites, client_id, authorized_at, created_at, updated_at)
         VALUES ($1, $2, 'bench', $3, 'Work', TRUE, 'active', $4, $3, '{}', '[]', 'bench', $5, $5, $5)"
    )
    .bind(key.tenant.as_str())
    .bind(&key.connection)
    .bind(format!("user-{number}@bench.example"))
    .bind(number.to_string())
    .bind(now)
    .execute(c)
    .await
    .map(drop))
    .expect("a new connection");
}

/// How many credentials come due in each minute, from the first minute in which any does.
pub(crate) async fn due_by_minute(database: &Database) -> Vec<i64> {
    let mut conn = database.read().await.expect("a connection");
    let rows: Vec<(i64, i64)> = on!(conn, |c| sqlx::query_as(
        "SELECT refresh_at / $1, COUNT(*) FROM credential WHERE refresh_at IS NOT NULL
         GROUP BY refresh_at / $1 ORDER BY refresh_at / $1"
    )
    .bind(MINUTE_MS)
    .fetch_all(c)
    .await)
    .expect("the credentials");
    let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return Vec::new() };
    let count = |minute| rows.iter().find(|(each, _)| *each == minute).map_or(0, |(_, count)| *count);
    (*first..=*last).map(count).collect()
}
