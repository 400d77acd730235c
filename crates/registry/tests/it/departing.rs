//! What is kept of an installation until its backend was told that it is uninstalled.

use std::time::Duration;

use libtest_mimic::Trial;
use model::{Ambient, EventKind, Timestamp};
use registry::Departure;
use secrecy::ExposeSecret as _;
use serde_json::json;
use storage::Rotation;

use crate::house::{House, SEALED, both, card, named, plugin};

pub(crate) fn trials() -> Vec<Trial> {
    [
        both("the_last_hook_has_what_it_needs", the_last_hook_has_what_it_needs),
        both("what_cannot_be_read_blocks_no_uninstall", what_cannot_be_read),
        both("nothing_is_kept_for_a_hook_that_there_is_not", nothing_is_kept),
        both("a_new_installation_keeps_its_own_secrets", a_new_installation),
        both("an_earlier_departure_takes_nothing_from_a_later_one", a_later_departure),
        both("what_is_kept_is_sealed_anew_and_goes_with_the_tenant", sealed_anew_and_deleted),
    ]
    .into_iter()
    .flatten()
    .collect()
}

async fn uninstalled(house: &House) -> String {
    house.install("acme", "card").await;
    house.configure("acme", "card", json!({"shop": "s1", "key": "sk_1"})).await;
    let key = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap().plugin_key.clone();
    house.registry.uninstall(&named("acme"), &plugin("card"), "ada").await.unwrap();
    key
}

/// The last end of an installation that the log has.
async fn departure(house: &House) -> Departure {
    let events = storage::events_after(&mut house.database.read().await.unwrap(), 0).await.unwrap();
    let last = events.iter().rfind(|event| event.kind == EventKind::InstallationRemoved.as_str()).unwrap();
    let data: serde_json::Value = serde_json::from_str(&last.data).unwrap();
    Departure {
        tenant: named(last.tenant.as_deref().unwrap()),
        plugin_key: data["pluginKey"].as_str().unwrap().into(),
        at: Timestamp::from_millisecond(data["uninstalledAt"].as_i64().unwrap()),
    }
}

async fn has_successor(house: &House, departure: &Departure) -> bool {
    let mut tx = house.database.begin().await.unwrap();
    house.registry.has_successor(&mut tx, departure).await.unwrap()
}

async fn secret(house: &House, departed: &registry::Deployment) -> Option<String> {
    let secrets = house.registry.secrets(departed, &["key"]).await.unwrap();
    secrets.get("key").map(|value| value.expose_secret().to_owned())
}

async fn the_last_hook_has_what_it_needs(house: House) {
    house.handlers(&["pay", "onUninstall"]);
    house.publish(card("1.0.0", json!({"hosts": ["api.example.com"]}))).await.unwrap();
    let key = uninstalled(&house).await;
    let departed = house.registry.departed(&named("acme"), &key).await.unwrap().unwrap();
    assert_eq!((departed.departed, departed.enabled, &*departed.version), (true, false, "1.0.0"));
    assert_eq!((departed.hosts.len(), &departed.configuration["shop"]), (1, &json!("s1")));
    assert_eq!(secret(&house, &departed).await.as_deref(), Some("sk_1"));
    house.registry.program(&departed).await.unwrap();
    assert!(house.registry.departed(&named("other"), &key).await.unwrap().is_none());
    assert!(departed.incarnation < 0 && is_current(&house, &departed).await && is_known(&house, &key).await);
    let last = departure(&house).await;
    assert!(!has_successor(&house, &last).await);
    house.registry.forget_departed(&last).await.unwrap();
    assert!(house.registry.departed(&named("acme"), &key).await.unwrap().is_none());
    assert!(house.registry.secrets(&departed, &["key"]).await.is_err());
    assert!(!is_current(&house, &departed).await && !is_known(&house, &key).await);
}

async fn is_current(house: &House, of: &registry::Deployment) -> bool {
    let mut conn = house.database.read().await.unwrap();
    registry::is_current(&mut conn, (&of.tenant, &of.plugin_key), of.incarnation).await.unwrap()
}

async fn is_known(house: &House, key: &str) -> bool {
    let mut conn = house.database.read().await.unwrap();
    let known = registry::those_installed(&mut conn, &[("acme", key), ("other", key), ("acme", "x")]).await;
    known.unwrap() == [("acme".to_owned(), key.to_owned())].into()
}

async fn what_cannot_be_read(house: House) {
    house.handlers(&["onUninstall"]);
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    house.install("acme", "card").await;
    let installed = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    assert!(is_current(&house, &installed).await && is_known(&house, &installed.plugin_key).await);
    house.execute("UPDATE plugin_version SET backend_definition = 'of a later version'").await;
    house.registry.uninstall(&named("acme"), &plugin("card"), "ada").await.unwrap();
    assert!(house.registry.departed(&named("acme"), &installed.plugin_key).await.unwrap().is_none());
    assert!(!is_current(&house, &installed).await && !is_known(&house, &installed.plugin_key).await);
}

async fn nothing_is_kept(house: House) {
    house.handlers(&["pay", "onInstall"]);
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    let key = uninstalled(&house).await;
    assert!(house.registry.departed(&named("acme"), &key).await.unwrap().is_none());
}

async fn a_new_installation(house: House) {
    house.handlers(&["onUninstall"]);
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    let key = uninstalled(&house).await;
    house.install("acme", "card").await;
    house.configure("acme", "card", json!({"key": "sk_2"})).await;
    let departed = house.registry.departed(&named("acme"), &key).await.unwrap().unwrap();
    let installed = house.registry.deployment(&named("acme"), &plugin("card")).await.unwrap();
    assert_eq!(secret(&house, &departed).await.as_deref(), Some("sk_1"));
    assert_eq!(secret(&house, &installed).await.as_deref(), Some("sk_2"));
    house.registry.uninstall(&named("acme"), &plugin("card"), "ada").await.unwrap();
    let departed = house.registry.departed(&named("acme"), &key).await.unwrap().unwrap();
    assert_eq!(secret(&house, &departed).await.as_deref(), Some("sk_2"), "the last one is told of");
}

async fn a_later_departure(house: House) {
    house.handlers(&["onUninstall"]);
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    let key = uninstalled(&house).await;
    let first = departure(&house).await;
    house.install("acme", "card").await;
    assert!(has_successor(&house, &first).await, "it is installed again");
    assert!(!has_successor(&house, &Departure { tenant: named("other"), ..first.clone() }).await);
    // Longer than the clock's unit.
    tokio::time::sleep(Duration::from_millis(2)).await;
    house.registry.uninstall(&named("acme"), &plugin("card"), "ada").await.unwrap();
    let second = departure(&house).await;
    assert!(has_successor(&house, &first).await, "the second has its last hook to come");
    assert!(!has_successor(&house, &second).await);
    house.registry.forget_departed(&first).await.unwrap();
    assert!(house.registry.departed(&named("acme"), &key).await.unwrap().is_some());
    house.registry.forget_departed(&second).await.unwrap();
    assert!(house.registry.departed(&named("acme"), &key).await.unwrap().is_none());

    // One without a last hook leaves nothing behind, not even what another one has left.
    uninstalled(&house).await;
    house.handlers(&["pay"]);
    house.publish(card("1.1.0", json!({}))).await.unwrap();
    uninstalled(&house).await;
    assert!(house.registry.departed(&named("acme"), &key).await.unwrap().is_none());
}

async fn sealed_anew_and_deleted(house: House) {
    house.handlers(&["onUninstall"]);
    house.publish(card("1.0.0", json!({}))).await.unwrap();
    let key = uninstalled(&house).await;
    let rotation =
        Rotation::begin(&house.database, &house.sealer, SEALED, Some(named("acme"))).await.unwrap();
    let mut rotation = rotation.with_grace(Duration::ZERO);
    while rotation.advance().await.unwrap() {}
    let report = rotation.release().await.unwrap();
    assert_eq!((report.values, report.destroyed, report.unreadable.len()), (1, 1, 0), "{report:?}");
    let departed = house.registry.departed(&named("acme"), &key).await.unwrap().unwrap();
    assert_eq!(secret(&house, &departed).await.as_deref(), Some("sk_1"));
    house.tenants().delete(&named("acme"), "root").await.unwrap().unwrap();
    assert!(house.registry.departed(&named("acme"), &key).await.unwrap().is_none());
    storage::sweep(&house.database, house.blobs.as_ref(), Duration::ZERO, &Ambient::system()).await.unwrap();
    assert_eq!(house.blob_keys().len(), 2, "the shared catalog's plugin stays");
}
