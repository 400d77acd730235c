//! OAuth apps that a provider no longer accepts.

use connections::catalog::Flow;
use connections::protocol::CallError;
use secrecy::ExposeSecret as _;
use storage::on;

use super::provider::Fault;
use super::{FORGIVING, Place, ROTATING, World, get, key, on_both_databases, tokens};

on_both_databases!(
    a_broken_app_is_told_once_and_tried_every_ten_minutes,
    a_broken_app_of_a_tenant_is_its_own_affair,
    a_clients_own_grant_is_refused_with_its_secret,
);

async fn a_broken_app_is_told_once_and_tried_every_ten_minutes(place: Place) {
    let world = World::new(place, ROTATING).await;
    let mut keys = Vec::new();
    for n in 0..50 {
        keys.push(world.connect(&format!("c{n}")).await);
    }
    world.advance(3580);
    for _ in 0..50 {
        world.provider.fail(Fault::Refuse(CallError::InvalidClient));
    }
    let answers = futures::future::join_all(keys.iter().map(|key| get(&world.vault, key))).await;
    for (n, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, format!("access-c{n}-0"), "what still holds is served");
    }
    let calls = world.provider.calls();
    for _ in calls..50 {
        world.provider.skip();
    }
    world.advance(20);
    let replica = world.replica();
    for key in &keys {
        assert_eq!(get(&world.vault, key).await, "upstream_unavailable");
        assert_eq!(get(&replica, key).await, "upstream_unavailable");
    }
    assert_eq!(world.provider.calls(), calls, "from then on nobody asks");
    let events = world.events("jackfield.oauth_app.broken").await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].tenant.as_deref(), events[0].subject.as_str()), (None, "sample"));
    assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 0);
    // One trial in ten minutes, whoever makes it.
    world.advance(600);
    for _ in 0..50 {
        world.provider.fail(Fault::Refuse(CallError::InvalidClient));
    }
    let callers = keys.iter().map(|key| get(&world.vault, key));
    for answer in futures::future::join_all(callers).await {
        assert_eq!(answer, "upstream_unavailable");
    }
    assert_eq!(world.provider.calls(), calls + 1);
    for _ in 0..49 {
        world.provider.skip();
    }
    world.advance(600);
    assert_eq!(get(&replica, &keys[7]).await, "access-c7-1", "it works again");
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(get(&world.vault, key).await, format!("access-c{n}-1"));
    }
    assert_eq!(world.events("jackfield.oauth_app.broken").await.len(), 1);
    assert_eq!(world.text("SELECT provider FROM broken_app").await, "-");
}

async fn a_broken_app_of_a_tenant_is_its_own_affair(place: Place) {
    let world = World::new(place, ROTATING).await;
    world.connect("c1").await;
    // Another tenant has set the platform's client id with a secret of its own making.
    let mut theirs = key("c2");
    theirs.tenant = "evil".parse().unwrap();
    let mut tx = world.database.begin().await.unwrap();
    super::insert_connection(&mut tx, &theirs, world.ambient.now().as_millisecond()).await;
    world.store(&mut tx, &theirs, &tokens("c2"), Flow::AuthorizationCode).await;
    on!(tx, |c| sqlx::query(
        "INSERT INTO oauth_app (tenant, provider, client_id, created_at, updated_at)
         VALUES ('evil', 'sample', 'app', 0, 0)"
    )
    .execute(c)
    .await
    .map(drop))
    .unwrap();
    tx.commit().await.unwrap();
    world.advance(3600);
    world.provider.fail(Fault::Refuse(CallError::InvalidClient));
    assert_eq!(get(&world.vault, &theirs).await, "upstream_unavailable");
    assert_eq!(get(&world.vault, &key("c1")).await, "access-c1-1");
    let events = world.events("jackfield.oauth_app.broken").await;
    assert_eq!(events[0].tenant.as_deref(), Some("evil"));
    // It is put right.
    let mut tx = world.database.begin().await.unwrap();
    let provider = "sample".parse().unwrap();
    world.vault.trust_app(&mut tx, Some(&theirs.tenant), &provider, "app").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(get(&world.vault, &theirs).await, "access-c2-1");
}

async fn a_clients_own_grant_is_refused_with_its_secret(place: Place) {
    let world = World::new(place, FORGIVING).await;
    // The client's secret stands in the refresh token's place.
    let key = world.connect_with("c1", tokens("own"), Flow::ClientCredentials).await;
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-own-1");
    let kept = world.vault.open_tokens(&key).await.unwrap().unwrap().refresh.unwrap();
    assert_eq!(kept.expose_secret(), "refresh-own-0", "no answer replaces it");
    world.advance(3600);
    world.provider.fail(Fault::Refuse(CallError::InvalidClient));
    for _ in 0..3 {
        assert_eq!(get(&world.vault, &key).await, "reauthorization_required");
    }
    assert_eq!(world.provider.calls(), 2);
    assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 1);
    assert_eq!(world.events("jackfield.oauth_app.broken").await.len(), 0, "others' are nothing to it");
}
