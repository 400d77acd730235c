//! Tokens signed for others: by one key in all replicas, by the next in time, on SQLite and on PostgreSQL.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use identity::{MAX_LIFETIME, SEALED, Signed, Signer};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use model::Ambient;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use storage::{Database, MasterKey, MasterKeys, Rotation, Sealer, Tenants, on};
use tempfile::TempDir;
use testkit::Postgres;

use crate::harness::{ManualClock, ambient, open, sqlite};

const ISSUER: &str = "https://plugins.example";
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const ALMOST_A_DAY: Duration = Duration::from_hours(23);

struct Place {
    database: Database,
    clock: Arc<ManualClock>,
    ambient: Ambient,
}

fn master(byte: u8) -> MasterKey {
    MasterKey::from_base64(&STANDARD.encode([byte; 32]).into()).unwrap()
}

impl Place {
    async fn sealer(&self) -> Sealer {
        Sealer::open(&self.database, master(1), self.ambient.clone()).await.unwrap()
    }

    /// A signer as a process of its own has it.
    async fn replica(&self) -> Signer {
        Signer::new(self.database.clone(), self.sealer().await, ISSUER, self.ambient.clone()).unwrap()
    }

    async fn forget_all(&self) {
        let mut tx = self.database.begin().await.unwrap();
        on!(tx, |c| sqlx::query("DELETE FROM signing_key").execute(c).await.map(drop)).unwrap();
        tx.commit().await.unwrap();
    }
}

#[tokio::test]
async fn on_sqlite() {
    let (clock, ambient) = ambient();
    let folder = TempDir::new().unwrap();
    check(&Place { database: sqlite(folder.path(), &ambient).await, clock, ambient }).await;
}

#[tokio::test]
async fn on_postgres() {
    let (clock, ambient) = ambient();
    let postgres = Postgres::start().unwrap();
    let database = open(&postgres.database().unwrap().parse().unwrap(), &ambient).await;
    check(&Place { database, clock, ambient }).await;
}

async fn check(place: &Place) {
    replicas_that_start_at_once_agree(place).await;
    a_token_says_who_made_it_and_dies(place).await;
    place.forget_all().await;
    keys_change_in_time(place).await;
    a_long_pause_makes_no_gap(place).await;
    keys_survive_a_rotation_of_what_seals_them(place).await;
    what_was_put_there_by_others_is_not_published(place).await;
    a_destroyed_key_is_replaced(place).await;
    signing_goes_on_while_the_database_is_away(place).await;
}

fn kids(jwks: &Value) -> Vec<String> {
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn sign(signer: &Signer) -> Signed {
    let claims = json!({"aud": "plugin:notes", "tenantId": "acme"});
    signer.sign("jackfield-context+jwt", Duration::from_mins(1), &claims).await.unwrap()
}

fn kid(signed: &Signed) -> String {
    decode_header(signed.token.expose_secret()).unwrap().kid.unwrap()
}

/// The claims, where the token checks out against `jwks`.
fn verified(jwks: &Value, signed: &Signed) -> Value {
    let set: JwkSet = serde_json::from_value(jwks.clone()).unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid(signed)).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["plugin:notes"]);
    validation.set_issuer(&[ISSUER]);
    // The clock is the test's own.
    validation.validate_exp = false;
    decode(signed.token.expose_secret(), &key, &validation).unwrap().claims
}

async fn replicas_that_start_at_once_agree(place: &Place) {
    let replicas = join_all((0..8).map(|_| place.replica())).await;
    let signed = join_all(replicas.iter().map(sign)).await;
    let used: BTreeSet<String> = signed.iter().map(kid).collect();
    assert_eq!(used.len(), 1, "{used:?}");
    for (replica, signed) in replicas.iter().zip(&signed) {
        let jwks = replica.jwks().await.unwrap();
        assert_eq!(kids(&jwks), [kid(signed)]);
        assert!(jwks["keys"][0].get("d").is_none(), "a private key is published: {jwks}");
        verified(&jwks, signed);
    }
}

async fn a_token_says_who_made_it_and_dies(place: &Place) {
    let signer = place.replica().await;
    let jwks = signer.jwks().await.unwrap();
    let (one, other) = (sign(&signer).await, sign(&signer).await);
    let claims = verified(&jwks, &one);
    let now = place.ambient.now().as_second();
    assert_eq!((claims["iat"].as_i64(), claims["exp"].as_i64()), (Some(now), Some(now + 60)), "{claims}");
    assert_eq!(one.expires_at.as_second(), now + 60);
    assert_eq!((&claims["tenantId"], &claims["iss"]), (&json!("acme"), &json!(ISSUER)), "{claims}");
    assert_ne!(claims["jti"], verified(&jwks, &other)["jti"]);
    let header = decode_header(one.token.expose_secret()).unwrap();
    assert_eq!(header.typ.as_deref(), Some("jackfield-context+jwt"));
    let long = signer.sign("x+jwt", DAY, &json!({"aud": "plugin:notes"})).await.unwrap();
    assert_eq!(
        place.ambient.now().until(long.expires_at).as_secs().div_ceil(60) * 60,
        MAX_LIFETIME.as_secs()
    );
    assert!(signer.sign("x+jwt", HOUR, &7).await.is_err(), "claims are an object");
}

async fn keys_change_in_time(place: &Place) {
    let signer = place.replica().await;
    let first = kid(&sign(&signer).await);
    place.clock.advance(ALMOST_A_DAY + 28 * DAY);
    assert_eq!(kids(&signer.jwks().await.unwrap()), std::slice::from_ref(&first));
    place.clock.advance(HOUR);
    // Published a day before it signs, and the same by whoever asks.
    let published = kids(&signer.jwks().await.unwrap());
    assert_eq!((published.len(), &published[0]), (2, &first));
    let next = published[1].clone();
    let replica = place.replica().await;
    assert_eq!(kids(&replica.jwks().await.unwrap()), published);
    place.clock.advance(ALMOST_A_DAY);
    assert_eq!(kid(&sign(&signer).await), first);
    place.clock.advance(HOUR);
    for each in [&signer, &replica] {
        let token = sign(each).await;
        assert_eq!(kid(&token), next);
        verified(&each.jwks().await.unwrap(), &token);
    }
    place.clock.advance(ALMOST_A_DAY);
    assert_eq!(kids(&signer.jwks().await.unwrap()), published, "tokens of the first may be alive");
    place.clock.advance(HOUR);
    assert_eq!(kids(&signer.jwks().await.unwrap()), [next]);
}

async fn a_long_pause_makes_no_gap(place: &Place) {
    let signer = place.replica().await;
    let before = kid(&sign(&signer).await);
    place.clock.advance(400 * DAY);
    // Nobody has been told of a new key: the former goes on until it has been published for a day.
    assert_eq!(kid(&sign(&signer).await), before);
    let published = kids(&signer.jwks().await.unwrap());
    assert_eq!((published.len(), &published[0]), (2, &before));
    place.clock.advance(DAY);
    assert_eq!(kid(&sign(&signer).await), published[1]);
}

async fn keys_survive_a_rotation_of_what_seals_them(place: &Place) {
    let before = kid(&sign(&place.replica().await).await);
    let both = || MasterKeys::given(master(2), vec![master(1)]).unwrap();
    let sealer = Sealer::open(&place.database, both(), place.ambient.clone()).await.unwrap();
    let rotation = Rotation::begin(&place.database, &sealer, &[SEALED], None).await.unwrap();
    let mut rotation = rotation.with_grace(Duration::ZERO);
    while rotation.advance().await.unwrap() {}
    assert!(rotation.report().master_replaced && rotation.report().values > 0, "{:?}", rotation.report());
    assert!(sealer.drop_former_masters(&place.database).await.unwrap());
    let alone = Sealer::open(&place.database, master(2), place.ambient.clone()).await.unwrap();
    let signer = Signer::new(place.database.clone(), alone, ISSUER, place.ambient.clone()).unwrap();
    assert_eq!(kid(&sign(&signer).await), before);
    // And back, for the tests after this one.
    let both = MasterKeys::given(master(1), vec![master(2)]).unwrap();
    let sealer = Sealer::open(&place.database, both, place.ambient.clone()).await.unwrap();
    let rotation = Rotation::begin(&place.database, &sealer, &[SEALED], None).await.unwrap();
    let mut rotation = rotation.with_grace(Duration::ZERO);
    while rotation.advance().await.unwrap() {}
}

async fn what_was_put_there_by_others_is_not_published(place: &Place) {
    let before = kids(&place.replica().await.jwks().await.unwrap());
    let mut tx = place.database.begin().await.unwrap();
    on!(tx, |c| {
        sqlx::query(
            "INSERT INTO signing_key (tenant, kid, number, sealed_seed, signs_from) \
             SELECT tenant, 'forged ' || number, number + 1000, sealed_seed, signs_from FROM signing_key",
        )
        .execute(c)
        .await
        .map(drop)
    })
    .unwrap();
    tx.commit().await.unwrap();
    let signer = place.replica().await;
    assert_eq!(kids(&signer.jwks().await.unwrap()), before);
    assert!(before.contains(&kid(&sign(&signer).await)));
}

async fn a_destroyed_key_is_replaced(place: &Place) {
    let before = kid(&sign(&place.replica().await).await);
    let tenants =
        Tenants::new(place.database.clone(), &[identity::TENANT_DATA], Vec::new(), place.ambient.clone());
    let owner = "jackfield.signing-keys".parse().unwrap();
    let deleted = tenants.delete(&owner, "root").await.unwrap().unwrap();
    assert!(deleted["signing keys"] > 0, "{deleted:?}");
    let signer = place.replica().await;
    let token = sign(&signer).await;
    assert_ne!(kid(&token), before);
    verified(&signer.jwks().await.unwrap(), &token);
}

async fn signing_goes_on_while_the_database_is_away(place: &Place) {
    let (signer, stranger) = (place.replica().await, place.replica().await);
    let before = kid(&sign(&signer).await);
    place.database.close().await;
    place.clock.advance(HOUR);
    assert_eq!(kid(&sign(&signer).await), before);
    assert!(stranger.jwks().await.is_err(), "a replica that has never seen a key has none");
}
