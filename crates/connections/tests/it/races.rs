//! Several at the same connection at once: nobody's change is lost, and nothing is left alive that nobody knows of.

use std::collections::BTreeMap;
use std::time::Duration;

use connections::connection::Status;
use connections::{Changes, Connections, Direct, DirectGrant, Error, Listing, NewOauthApp};
use futures::future::join_all;
use model::TenantId;
use secrecy::ExposeSecret as _;
use storage::{Tx, on};

use crate::broker::Broker;
use crate::hostile_provider::{CLIENT_ID, CLIENT_SECRET, Step};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    a_change_keeps_the_status_that_came_meanwhile,
    a_revocation_and_a_burial_do_not_wait_for_each_other,
    a_renewal_in_flight_is_revoked_too,
    who_goes_away_stops_no_revocation,
    what_was_consented_to_meanwhile_is_revoked_too,
    one_connection_comes_of_one_account,
    one_connection_is_the_default,
    a_user_is_told_of_its_own_connections_alone,
    a_secret_that_was_replaced_elsewhere_breaks_no_app,
    what_the_operator_asks_for_is_told,
);

const SOON: Duration = Duration::from_millis(300);

fn acme() -> TenantId {
    "acme".parse().unwrap()
}

async fn run(tx: &mut Tx, sql: &'static str) {
    on!(tx, |c| sqlx::query(sql).execute(c).await.map(drop)).unwrap();
}

async fn all(
    connections: &Connections,
    user_email: Option<&str>,
) -> Vec<connections::connection::Connection> {
    let listing = Listing { user_email: user_email.map(Into::into), ..Listing::default() };
    connections.list(&acme(), &listing).await.unwrap().connections
}

async fn a_change_keeps_the_status_that_came_meanwhile(place: Place) {
    let broker = Broker::new(&place).await;
    broker.connect("acme", "honest", "c1").await;
    let mut tx = broker.database.begin().await.unwrap();
    run(&mut tx, "UPDATE connection SET status = 'needs_reauth' WHERE id = 'c1'").await;
    let connections = broker.connections.clone();
    let changes = Changes { label: Some("work".into()), ..Changes::default() };
    let changing = tokio::spawn(async move { connections.update(&acme(), "c1", changes, "ann").await });
    tokio::time::sleep(SOON).await;
    tx.commit().await.unwrap();
    let after = changing.await.unwrap().unwrap();
    assert_eq!((after.label.as_str(), after.status), ("work", Status::NeedsReauth));
}

async fn a_revocation_and_a_burial_do_not_wait_for_each_other(place: Place) {
    let broker = Broker::new(&place).await;
    broker.connect("acme", "honest", "c1").await;
    let mut tx = broker.database.begin().await.unwrap();
    run(&mut tx, "UPDATE connection SET status = 'needs_reauth' WHERE id = 'c1'").await;
    let connections = broker.connections.clone();
    let revoking = tokio::spawn(async move { connections.revoke(&acme(), "c1", "ann").await });
    tokio::time::sleep(SOON).await;
    run(&mut tx, "UPDATE credential SET failure = 'reauthorize' WHERE connection_id = 'c1'").await;
    tx.commit().await.unwrap();
    revoking.await.unwrap().unwrap();
}

async fn a_renewal_in_flight_is_revoked_too(place: Place) {
    let broker = Broker::new(&place).await;
    let key = broker.connect("acme", "honest", "c1").await;
    broker.clock.advance(Duration::from_hours(2));
    broker.hostile.script("/token", [Step::Late(SOON * 2)]);
    let vault = broker.replica().await.vault().clone();
    let renewing = tokio::spawn(async move { vault.access_token(&key).await });
    while broker.hostile.seen("/token").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(broker.connections.revoke(&acme(), "c1", "ann").await.unwrap().is_complete());
    let renewed = renewing.await.unwrap().unwrap();
    let spent = broker.hostile.seen("/token")[0].params()["refresh_token"].clone();
    let revoked: Vec<String> =
        broker.hostile.seen("/revoke").iter().map(|seen| seen.params()["token"].clone()).collect();
    assert!(!revoked.contains(&spent), "the one before");
    assert!(revoked.contains(&renewed.secret.expose_secret().to_owned()));
}

async fn who_goes_away_stops_no_revocation(place: Place) {
    let broker = Broker::new(&place).await;
    broker.connect("acme", "honest", "c1").await;
    broker.hostile.script("/revoke", [Step::Late(SOON)]);
    let tenant = acme();
    let revoking = broker.connections.revoke(&tenant, "c1", "ann");
    assert!(tokio::time::timeout(SOON / 3, revoking).await.is_err());
    let gone = async {
        while !all(&broker.connections, None).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let is_gone = tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok();
    assert!(is_gone, "it is revoked at the provider, and still here");
}

async fn what_was_consented_to_meanwhile_is_revoked_too(place: Place) {
    let broker = Broker::new(&place).await;
    let key = broker.connect("acme", "honest", "c1").await;
    broker.hostile.script("/revoke", [Step::Late(SOON)]);
    let connections = broker.connections.clone();
    let revoking = tokio::spawn(async move { connections.revoke(&acme(), "c1", "ann").await });
    while broker.hostile.seen("/revoke").is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    broker.clock.advance(Duration::from_secs(1));
    let access = broker.consent_again(&key).await;
    assert!(revoking.await.unwrap().unwrap().is_complete());
    assert!(!broker.hostile.grants(|grants| grants.is_live(&access)));
    assert!(all(&broker.connections, None).await.is_empty());
}

async fn one_connection_comes_of_one_account(place: Place) {
    let broker = Broker::new(&place).await;
    let key = broker.hostile.issue().access;
    let direct = |label: Option<String>| Direct {
        tenant: acme(),
        actor: "ann".into(),
        provider: "keyed".into(),
        user_email: "ann@example.com".into(),
        label,
        variables: BTreeMap::new(),
        grant: DirectGrant::ApiKey(key.clone()),
    };
    let connecting = (0..6).map(|_| {
        let (connections, direct) = (broker.connections.clone(), direct(None));
        tokio::spawn(async move { connections.connect(direct).await })
    });
    for connected in join_all(connecting).await {
        connected.unwrap().unwrap();
    }
    let found = all(&broker.connections, Some("ann@example.com")).await;
    assert_eq!(found.iter().map(|each| each.is_default).collect::<Vec<_>>(), [true]);
    // Dead, and not in what is granted now.
    broker
        .run_sql(
            "INSERT INTO credential (tenant, connection_id, name, sealed_access, scopes, issued_at, version, fence, \
             failures, failure, own_grant) SELECT tenant, connection_id, 'user', sealed_access, scopes, issued_at, 1, 0, \
             0, 'reauthorize', own_grant FROM credential",
        )
        .await;
    broker.connections.connect(direct(None)).await.unwrap();
    let found = all(&broker.connections, Some("ann@example.com")).await;
    assert_eq!((found[0].status, found[0].credentials.len()), (Status::Active, 1));
    let long = direct(Some("x".repeat(101)));
    assert!(matches!(broker.connections.connect(long).await, Err(Error::Invalid(_))));
}

async fn one_connection_is_the_default(place: Place) {
    let broker = Broker::new(&place).await;
    for id in ["c1", "c2", "c3", "c4"] {
        broker.connect("acme", "honest", id).await;
        broker.run_sql("UPDATE connection SET is_default = FALSE, user_email = 'ann@example.com'").await;
    }
    for _ in 0..5 {
        let changing = ["c1", "c2", "c3", "c4"].map(|id| {
            let connections = broker.connections.clone();
            let changes = Changes { make_default: true, ..Changes::default() };
            tokio::spawn(async move { connections.update(&acme(), id, changes, "ann").await })
        });
        for changed in join_all(changing).await {
            changed.unwrap().unwrap();
        }
        let found = all(&broker.connections, None).await;
        assert_eq!(found.iter().filter(|each| each.is_default).count(), 1);
    }
    let default = all(&broker.connections, None).await.into_iter().find(|each| each.is_default).unwrap();
    broker.connections.revoke(&acme(), &default.id, "ann").await.unwrap();
    let found = all(&broker.connections, None).await;
    assert_eq!(found.iter().map(|each| each.is_default).collect::<Vec<_>>(), [true, false, false]);
}

async fn a_user_is_told_of_its_own_connections_alone(place: Place) {
    let broker = Broker::new(&place).await;
    for id in ["c1", "c2", "c3"] {
        broker.connect("acme", "honest", id).await;
    }
    broker.connect("other", "honest", "c2").await;
    broker
        .run_sql(
            "UPDATE connection SET is_default = FALSE, user_email = 'ann@example.com' WHERE id IN ('c1', 'c3')",
        )
        .await;
    let found = all(&broker.connections, Some("ann@example.com")).await;
    let told: Vec<_> = found.iter().map(|each| (each.id.as_str(), each.credentials.len())).collect();
    assert_eq!(told, [("c1", 1), ("c3", 1)]);
    assert_eq!(all(&broker.connections, None).await.len(), 3);
    broker.run_sql("UPDATE credential SET dies_at = 5 WHERE connection_id = 'c3'").await;
    let soon = model::Timestamp::from_millisecond(6);
    let listing = Listing { dies_before: Some(soon), ..Listing::default() };
    let dying = broker.connections.list(&acme(), &listing).await.unwrap().connections;
    assert_eq!(
        dying.iter().map(|each| (each.id.as_str(), each.credentials.len())).collect::<Vec<_>>(),
        [("c3", 1)]
    );
}

async fn a_secret_that_was_replaced_elsewhere_breaks_no_app(place: Place) {
    let broker = Broker::new(&place).await;
    let key = broker.connect("acme", "honest", "c1").await;
    let elsewhere = broker.replica().await;
    let set = |secret: &str| {
        let new = NewOauthApp { client_id: CLIENT_ID.into(), client_secret: Some(secret.into()) };
        async { broker.connections.set_oauth_app(&acme(), "honest", new, "ann").await.unwrap() }
    };
    set("the former one").await;
    broker.clock.advance(Duration::from_hours(2));
    assert!(elsewhere.vault().access_token(&key).await.is_err(), "no secret of this app");
    set(CLIENT_SECRET).await;
    // The other replica has the former secret in memory.
    elsewhere.vault().access_token(&key).await.unwrap();
    assert_eq!(broker.hostile.seen("/token").len(), 3);
}

async fn what_the_operator_asks_for_is_told(place: Place) {
    let broker = Broker::new(&place).await;
    let infos = broker.connections.providers(&acme()).await.unwrap();
    let mute = infos.iter().find(|info| info.id.as_str() == "mute").unwrap();
    assert_eq!(mute.scopes, ["notes"]);
}
