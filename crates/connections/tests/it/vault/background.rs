//! What the vault does unasked.

use std::time::Duration;

use connections::catalog::Rotation;
use connections::protocol::CallError;
use connections::vault::refresher;

use super::provider::Fault;
use super::{LASTING, Place, ROTATING, World, get, on_both_databases, tokens, until};

on_both_databases!(
    what_is_used_is_renewed_ahead_and_apart,
    replicas_share_the_work,
    what_nobody_uses_is_renewed_only_to_stay_alive,
    a_provider_in_trouble_is_left_alone_altogether,
    what_cannot_be_renewed_is_not_found_again_and_again,
    the_end_of_a_grant_is_told_once,
    a_use_is_written_down_once_an_hour,
    a_token_that_ended_unused_is_told,
    the_task_does_it_all_unasked,
);

async fn what_is_used_is_renewed_ahead_and_apart(place: Place) {
    let world = World::new(place, ROTATING).await;
    for n in 0..100 {
        world.connect(&format!("c{n}")).await;
    }
    let mut renewed = Vec::new();
    // From half an hour to a quarter of an hour before their end.
    world.advance(1799);
    for _ in 0..17 {
        renewed.push(world.vault.refresh_due(1000).await.unwrap());
        world.advance(60);
    }
    assert_eq!(renewed[0], 0);
    assert_eq!(renewed.iter().sum::<usize>(), 100, "{renewed:?}");
    assert!(renewed.iter().all(|in_a_minute| *in_a_minute < 25), "{renewed:?}");
    assert_eq!((world.provider.redemptions(), world.provider.reuses()), (100, 0));
}

async fn replicas_share_the_work(place: Place) {
    let world = World::new(place, ROTATING).await;
    for n in 0..60 {
        world.connect(&format!("c{n}")).await;
    }
    world.advance(2700);
    let (one, two) = (world.replica(), world.replica());
    let (first, second, third) =
        tokio::join!(world.vault.refresh_due(100), one.refresh_due(100), two.refresh_due(100));
    assert!(first.unwrap() + second.unwrap() + third.unwrap() >= 60);
    assert_eq!((world.provider.calls(), world.provider.reuses()), (60, 0));
    let renewed = "SELECT CAST(COUNT(*) AS TEXT) FROM credential WHERE version = 2 AND lease_until IS NULL";
    assert_eq!(world.text(renewed).await, "60");
    assert_eq!(world.vault.refresh_due(100).await.unwrap(), 0);
}

async fn what_nobody_uses_is_renewed_only_to_stay_alive(place: Place) {
    let days = |days: u64| Duration::from_hours(24 * days);
    let world = World::new(place, Rotation { idle_ttl: Some(days(40)), ..ROTATING }).await;
    let key = world.connect("c1").await;
    let dies_at = "SELECT CAST((dies_at - issued_at) / 86400000 AS TEXT) FROM credential";
    assert_eq!(world.text(dies_at).await, "40");
    world.clock.advance(days(2));
    world.vault.refresh_due(10).await.unwrap();
    assert_eq!(world.provider.calls(), 0, "nobody has used it for a day");
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 0, "nor is it found again");
    world.clock.advance(days(28));
    world.vault.refresh_due(10).await.unwrap();
    assert_eq!(world.provider.redemptions(), 1, "three quarters of its idle time are over");
    assert_eq!(world.text(dies_at).await, "40", "and it begins anew");
    // Used once more, it is kept fresh for a day.
    assert_eq!(get(&world.vault, &key).await, "access-c1-1");
    world.vault.write_uses().await.unwrap();
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-c1-2");
    world.advance(2700);
    world.vault.refresh_due(10).await.unwrap();
    assert_eq!(world.provider.redemptions(), 3);
}

async fn a_provider_in_trouble_is_left_alone_altogether(place: Place) {
    let world = World::new(place, ROTATING).await;
    for n in 0..50 {
        world.connect(&format!("c{n}")).await;
    }
    world.advance(2700);
    let retry_after = Some(Duration::from_mins(5));
    for _ in 0..50 {
        world.provider.fail(Fault::Refuse(CallError::RateLimited { retry_after }));
    }
    assert_eq!(world.vault.refresh_due(100).await.unwrap(), 50);
    let calls = world.provider.calls();
    assert!(calls <= 16, "those that were under way when the first was refused: {calls}");
    world.advance(299);
    assert_eq!(world.vault.refresh_due(100).await.unwrap(), 0);
    for _ in calls..50 {
        world.provider.skip();
    }
    world.advance(140);
    assert_eq!(world.vault.refresh_due(100).await.unwrap(), 50);
    assert_eq!(world.provider.redemptions(), 50);
}

async fn what_cannot_be_renewed_is_not_found_again_and_again(place: Place) {
    let world = World::new(place, ROTATING).await;
    let dead = world.connect("dead").await;
    world.provider.revoke("dead");
    world.connect("cut").await;
    // As a process leaves it that dies after sending.
    world.run("UPDATE credential SET sent_at = issued_at WHERE connection_id = 'cut'").await;
    world.advance(2700);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 2);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 0);
    assert_eq!(get(&world.vault, &dead).await, "reauthorization_required");
    world.advance(900);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 1);
    assert_eq!(world.provider.calls(), 1);
    assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 2);
    world.advance(90_000);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 0, "never again");
}

async fn the_end_of_a_grant_is_told_once(place: Place) {
    let days = |days: u64| Duration::from_hours(24 * days);
    let world = World::new(place, Rotation { absolute_ttl: Some(days(30)), ..LASTING }).await;
    let key = world.connect("c1").await;
    world.clock.advance(days(22));
    assert_eq!(get(&world.vault, &key).await, "access-c1-1", "a renewal does not put it off");
    assert_eq!(world.vault.forewarn().await.unwrap(), 0);
    world.clock.advance(days(1));
    let replica = world.replica();
    let (here, there) = tokio::join!(world.vault.forewarn(), replica.forewarn());
    assert!(here.unwrap() + there.unwrap() >= 1);
    assert_eq!(world.vault.forewarn().await.unwrap(), 0);
    let told = world.events("jackfield.connection.expiring").await;
    assert_eq!(told.len(), 1);
    let dies_at = world.clock.as_ref();
    let dies_at = model::Clock::now(dies_at).plus(days(7));
    assert!(told[0].data.contains(&dies_at.to_string()), "{}", told[0].data);
    // A new consent begins anew.
    world.reconnect(&key, &tokens("c1")).await;
    world.clock.advance(days(23));
    assert_eq!(world.vault.forewarn().await.unwrap(), 1);
}

async fn a_use_is_written_down_once_an_hour(place: Place) {
    let world = World::new(place, LASTING).await;
    let key = world.connect("c1").await;
    let last = "SELECT CAST(last_used_at - created_at AS TEXT) FROM connection";
    for _ in 0..3 {
        get(&world.vault, &key).await;
    }
    assert_eq!(world.text(last).await, "-");
    world.vault.write_uses().await.unwrap();
    assert_eq!(world.text(last).await, "0");
    world.advance(3500);
    get(&world.vault, &key).await;
    world.vault.write_uses().await.unwrap();
    assert_eq!(world.text(last).await, "0");
    world.advance(101);
    get(&world.vault, &key).await;
    world.vault.write_uses().await.unwrap();
    assert_eq!(world.text(last).await, "3601000");
}

async fn a_token_that_ended_unused_is_told(place: Place) {
    let world = World::new(place, ROTATING).await;
    let fixed = connections::connection::Tokens { refresh: None, ..tokens("c1") };
    world.connect_with("c1", fixed, connections::catalog::Flow::AuthorizationCode).await;
    world.advance(3590);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 0);
    world.advance(70);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 1);
    assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 1);
    assert_eq!(world.vault.refresh_due(10).await.unwrap(), 0);
}

async fn the_task_does_it_all_unasked(place: Place) {
    let lasting = Rotation { absolute_ttl: Some(Duration::from_hours(24 * 30)), ..LASTING };
    let world = World::new(place, lasting).await;
    let key = world.connect("c1").await;
    get(&world.vault, &key).await;
    world.run("UPDATE credential SET forewarn_at = issued_at").await;
    world.advance(2700);
    let task = tokio::spawn(refresher::run(world.vault.clone(), Duration::from_millis(50)));
    until("it is renewed", async || world.text("SELECT CAST(version AS TEXT) FROM credential").await == "2")
        .await;
    until("its end is told", async || world.events("jackfield.connection.expiring").await.len() == 1).await;
    until("its use is noted", async || {
        world.text("SELECT CAST(last_used_at - created_at AS TEXT) FROM connection").await == "0"
    })
    .await;
    // Whatever goes wrong, it goes on.
    world.run("ALTER TABLE credential RENAME TO away").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.run("ALTER TABLE away RENAME TO credential").await;
    world.advance(2700);
    until("it is renewed again", async || world.provider.redemptions() == 2).await;
    task.abort();
}
