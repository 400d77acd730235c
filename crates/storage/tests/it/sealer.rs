//! Secrets of tenants: what opens them, and what does not.

use model::{Ambient, TenantId};
use secrecy::ExposeSecret as _;
use storage::{Database, Error, MasterKey, Sealed, Sealer};

use crate::{Place, column, on_both_databases, secrets};

on_both_databases!(
    what_is_sealed_opens_in_its_place_alone,
    another_master_key_is_refused_and_changes_nothing,
    a_tenants_first_secrets_at_once_share_one_key,
    a_key_that_was_rolled_back_is_not_used,
    a_tenant_whose_key_is_gone_has_no_secrets,
    what_an_earlier_version_sealed_still_opens,
);

/// 32 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OTHER_KEY: &str = "//79/Pv6+fj39vX08/Lx8O/u7ezr6uno5+bl5OPi4eA=";

async fn sealer(database: &Database, key: &str) -> Result<Sealer, Error> {
    let master = MasterKey::from_base64(&key.into()).unwrap();
    Sealer::open(database, master, Ambient::system()).await
}

fn tenant(name: &str) -> TenantId {
    name.parse().unwrap()
}

async fn seal(database: &Database, sealer: &Sealer, name: &str, purpose: &str, text: &str) -> Sealed {
    let mut tx = database.begin().await.unwrap();
    let secret = sealer.seal(&mut tx, &tenant(name), purpose, text.as_bytes()).await.unwrap();
    tx.commit().await.unwrap();
    secret
}

async fn open(
    database: &Database,
    sealer: &Sealer,
    name: &str,
    purpose: &str,
    secret: &Sealed,
) -> Result<String, Error> {
    let mut conn = database.read().await.unwrap();
    let opened = sealer.unseal(&mut conn, &tenant(name), purpose, secret).await?;
    Ok(String::from_utf8(opened.expose_secret().to_vec()).unwrap())
}

async fn what_is_sealed_opens_in_its_place_alone(place: Place) {
    let database = place.open().await;
    let first = sealer(&database, KEY).await.unwrap();
    let secret = seal(&database, &first, "acme", "card", "hush").await;
    seal(&database, &first, "other", "card", "theirs").await;
    assert!(!String::from_utf8_lossy(secret.as_bytes()).contains("hush"));
    let again = seal(&database, &first, "acme", "card", "hush").await;
    assert_ne!(secret, again, "the same text does not look the same");

    // A sealer that has opened nothing yet finds the key in the database.
    for sealer in [&first, &sealer(&database, KEY).await.unwrap()] {
        assert_eq!(open(&database, sealer, "acme", "card", &secret).await.unwrap(), "hush");
        for (name, purpose) in [("other", "card"), ("acme", "cash"), ("nobody", "card"), ("acme", "")] {
            let refused = open(&database, sealer, name, purpose, &secret).await;
            assert!(matches!(refused, Err(Error::Unsealable)), "{name} {purpose}: {refused:?}");
        }
        let mut altered = secret.as_bytes().to_vec();
        *altered.last_mut().unwrap() ^= 1;
        let refused = open(&database, sealer, "acme", "card", &Sealed::from_bytes(altered)).await;
        assert!(matches!(refused, Err(Error::Unsealable)));
    }
}

async fn another_master_key_is_refused_and_changes_nothing(place: Place) {
    let database = place.open().await;
    let right = sealer(&database, KEY).await.unwrap();
    let secret = seal(&database, &right, "acme", "card", "hush").await;
    let hex = if place.is_sqlite() {
        "SELECT hex(proof) FROM master_key"
    } else {
        "SELECT encode(proof, 'hex') FROM master_key"
    };
    let before = column(&database, hex).await;
    for _ in 0..2 {
        let refused = sealer(&database, OTHER_KEY).await;
        assert!(matches!(refused, Err(Error::WrongMasterKey)));
    }
    assert_eq!(column(&database, hex).await, before);
    let again = sealer(&database, KEY).await.unwrap();
    assert_eq!(open(&database, &again, "acme", "card", &secret).await.unwrap(), "hush");
}

async fn a_tenants_first_secrets_at_once_share_one_key(place: Place) {
    let database = place.open().await;
    let replicas = [sealer(&database, KEY).await.unwrap(), sealer(&database, KEY).await.unwrap()];
    let sealing = (0..20).map(|number| {
        let (database, sealer) = (&database, &replicas[number % 2]);
        async move { seal(database, sealer, "acme", "card", &number.to_string()).await }
    });
    let secrets = futures::future::join_all(sealing).await;
    assert_eq!(column(&database, "SELECT tenant FROM tenant_key").await, ["acme"]);
    for (number, secret) in secrets.iter().enumerate() {
        let opened = open(&database, &replicas[(number + 1) % 2], "acme", "card", secret).await;
        assert_eq!(opened.unwrap(), number.to_string());
    }
}

async fn a_key_that_was_rolled_back_is_not_used(place: Place) {
    let database = place.open().await;
    let sealer = sealer(&database, KEY).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    sealer.seal(&mut tx, &tenant("acme"), "card", b"lost").await.unwrap();
    // Opened within the transaction as well, where its key is visible.
    let secret = sealer.seal(&mut tx, &tenant("acme"), "card", b"lost too").await.unwrap();
    sealer.unseal(&mut tx, &tenant("acme"), "card", &secret).await.unwrap();
    drop(tx);
    let kept = seal(&database, &sealer, "acme", "card", "kept").await;
    let other = self::sealer(&database, KEY).await.unwrap();
    assert_eq!(open(&database, &other, "acme", "card", &kept).await.unwrap(), "kept");
}

async fn a_tenant_whose_key_is_gone_has_no_secrets(place: Place) {
    let database = place.open().await;
    let first = sealer(&database, KEY).await.unwrap();
    let secret = seal(&database, &first, "acme", "card", "hush").await;
    assert_eq!(open(&database, &first, "acme", "card", &secret).await.unwrap(), "hush");
    let mut tx = database.begin().await.unwrap();
    storage::on!(tx, |c| sqlx::query("DELETE FROM tenant_key").execute(c).await.map(drop)).unwrap();
    tx.commit().await.unwrap();
    // Not even one that has opened it a moment ago.
    for sealer in [&first, &sealer(&database, KEY).await.unwrap()] {
        let refused = open(&database, sealer, "acme", "card", &secret).await;
        assert!(matches!(refused, Err(Error::Unsealable)));
    }
    // A new key does not open what the old one sealed.
    seal(&database, &first, "acme", "card", "new").await;
    assert!(matches!(open(&database, &first, "acme", "card", &secret).await, Err(Error::Unsealable)));
}

/// Made by another implementation of AES-256-GCM, in the form of the schema's first step, under [`KEY`].
const OLD: [&str; 2] = [
    "INSERT INTO master_key (singleton, proof) VALUES (1, {PROOF})",
    "INSERT INTO tenant_key (tenant, wrapped, created_at) VALUES ('acme', {WRAPPED}, 0)",
];
const OLD_PROOF: &str = "010101010101010101010101010ce7df3c27f3bf7b5ed73fa76882e415";
const OLD_WRAPPED: &str = "010202020202020202020202029c2f1ebcbede365ccc82a5ff347edd141beea86b93537ff64559d604706c4ec594762f6616e23ada92752ad187bc3b0b";
const OLD_VALUE: &str = "010303030303030303030303034d8bd06b0606a1a40289378b568f06e1113e12b7";

async fn what_an_earlier_version_sealed_still_opens(place: Place) {
    let old = &[&storage::MIGRATIONS[..1], crate::NOTES, secrets::TABLE];
    let database = Database::open(&place.url, old, Ambient::system()).await.unwrap();
    let mut tx = database.begin().await.unwrap();
    for sql in OLD {
        let sql =
            sql.replace("{PROOF}", &place.bytes(OLD_PROOF)).replace("{WRAPPED}", &place.bytes(OLD_WRAPPED));
        storage::on!(tx, |c| sqlx::query(sqlx::AssertSqlSafe(sql)).execute(c).await.map(drop)).unwrap();
    }
    secrets::put(&mut tx, "acme", "shop", "card", &unhex(OLD_VALUE)).await;
    tx.commit().await.unwrap();
    database.close().await;

    let database = place.open().await;
    assert!(matches!(sealer(&database, OTHER_KEY).await, Err(Error::WrongMasterKey)));
    let sealer = sealer(&database, KEY).await.unwrap();
    assert_eq!(secrets::get(&database, &sealer, "acme", "shop", "card").await.unwrap(), "hush");
    // Further values are sealed under the same key, and all of them anew when it is rotated.
    secrets::write(&database, &sealer, "acme", "shop", "new", "more").await.unwrap();
    assert_eq!(column(&database, "SELECT CAST(version AS TEXT) FROM tenant_key").await, ["1"]);
    let report = secrets::rotate(&database, &sealer, None).await;
    assert_eq!((report.rewrapped, report.values, report.destroyed), (1, 2, 1));
    assert_eq!(column(&database, "SELECT CAST(version AS TEXT) FROM tenant_key").await, ["2"]);
    assert_eq!(secrets::get(&database, &sealer, "acme", "shop", "card").await.unwrap(), "hush");
    assert_eq!(secrets::get(&database, &sealer, "acme", "shop", "new").await.unwrap(), "more");
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
