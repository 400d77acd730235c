//! Providers that refuse, stall, lose answers, or are in trouble; databases that go away.

use std::sync::Arc;
use std::time::Duration;

use connections::protocol::{CallError, Sent};
use connections::vault::{AccessToken, Error};
use model::Timestamp;
use testkit::{Ending, Postgres};

use super::provider::Fault;
use super::{FORGIVING, LASTING, Place, ROTATING, World, get, on_both_databases, outcome, tokens, until};

on_both_databases!(
    a_refused_grant_is_told_once_and_never_tried_again,
    a_refusal_ends_even_a_token_that_still_holds,
    a_refusal_that_a_new_consent_has_overtaken_is_nothing,
    a_provider_in_trouble_is_left_alone_for_as_long_as_it_asks,
    trouble_of_every_kind_serves_what_still_holds,
    a_lost_answer_is_not_asked_for_again_where_that_would_kill_the_grant,
    a_lost_answer_is_asked_for_again_within_the_leeway,
    after_the_leeway_a_lost_answer_is_lost,
    a_lost_answer_is_asked_for_again_where_nothing_rotates,
    a_rejection_before_an_answer_was_lost_ends_the_grant,
    a_refusal_after_a_lost_answer_leaves_the_outcome_unknown,
    tokens_that_the_database_cannot_take_are_served_and_written_later,
    tokens_that_are_not_written_yet_survive_another_replicas_judgement,
);

fn retry_at(outcome: &Result<Arc<AccessToken>, Error>) -> Timestamp {
    outcome.as_ref().unwrap_err().retry_at().unwrap()
}

async fn a_refused_grant_is_told_once_and_never_tried_again(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.provider.revoke("c1");
    world.advance(3600);
    let replica = world.replica();
    for vault in [&world.vault, &replica] {
        let callers = (0..50).map(|_| vault.access_token(&key));
        for answer in futures::future::join_all(callers).await {
            assert_eq!(outcome(&answer), "reauthorization_required");
            let text = answer.unwrap_err().to_string();
            assert!(text.ends_with("no longer accepts the grant: it was revoked, or has expired"), "{text}");
        }
    }
    world.advance(86_400);
    assert_eq!(get(&world.vault, &key).await, "reauthorization_required");
    assert_eq!(world.provider.calls(), 1);
    let events = world.events("jackfield.connection.needs_reauth").await;
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].tenant.as_deref(), events[0].subject.as_str()), (Some("acme"), "c1"));
    assert_eq!(events[0].data, r#"{"provider":"sample","user_email":"ann@acme.test","credential":"main"}"#);
    assert_eq!(world.text("SELECT status FROM connection").await, "needs_reauth");
    assert_eq!(world.text("SELECT CAST(refresh_at AS TEXT) FROM credential").await, "-", "never due");
    // A new consent ends it.
    world.reconnect(&key, &tokens("c9")).await;
    assert_eq!(get(&world.vault, &key).await, "access-c9-0");
}

async fn a_refusal_ends_even_a_token_that_still_holds(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    assert_eq!(get(&world.vault, &key).await, "access-c1-0");
    world.provider.revoke("c1");
    world.advance(3580);
    for vault in [&world.vault, &world.replica()] {
        assert_eq!(get(vault, &key).await, "reauthorization_required");
    }
    assert_eq!(world.provider.calls(), 1);
}

async fn a_refusal_that_a_new_consent_has_overtaken_is_nothing(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.provider.revoke("c1");
    world.advance(3600);
    let gate = world.provider.hold();
    let (answer, ()) = tokio::join!(world.vault.access_token(&key), async {
        until("the call has begun", async || world.provider.calls() == 1).await;
        world.reconnect(&key, &tokens("c9")).await;
        gate.add_permits(1);
    });
    assert_eq!(outcome(&answer), "access-c9-0");
    assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 0);
    assert_eq!(world.text("SELECT status FROM connection").await, "active");
}

async fn a_provider_in_trouble_is_left_alone_for_as_long_as_it_asks(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    let retry_after = Some(Duration::from_mins(2));
    world.provider.fail(Fault::Refuse(CallError::RateLimited { retry_after }));
    world.advance(3600);
    let limited = world.vault.access_token(&key).await;
    assert_eq!(outcome(&limited), "upstream_rate_limited");
    let now = world.ambient.now();
    let at = retry_at(&limited);
    assert!(at >= now.plus(Duration::from_mins(2)) && at <= now.plus(Duration::from_secs(123)));
    world.advance(119);
    for vault in [&world.vault, &world.replica()] {
        assert_eq!(get(vault, &key).await, "upstream_rate_limited");
        assert_eq!(outcome(&vault.refresh(&key).await), "upstream_rate_limited");
        assert_eq!(outcome(&vault.rejected(&key, 1).await), "upstream_rate_limited");
    }
    assert_eq!(world.provider.calls(), 1, "nobody asks before that");
    world.advance(4);
    assert_eq!(get(&world.vault, &key).await, "access-c1-1");
    // No provider may ask for more than an hour.
    let retry_after = Some(Duration::from_secs(1_000_000));
    world.provider.fail(Fault::Refuse(CallError::Unavailable { status: 503, retry_after }));
    world.advance(3600);
    let unavailable = world.vault.access_token(&key).await;
    assert_eq!(outcome(&unavailable), "upstream_unavailable");
    assert!(retry_at(&unavailable) <= world.ambient.now().plus(Duration::from_secs(3603)));
}

async fn trouble_of_every_kind_serves_what_still_holds(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3580);
    let troubles = [
        CallError::Unavailable { status: 500, retry_after: None },
        CallError::RateLimited { retry_after: None },
        CallError::Unreachable(Sent::No),
        CallError::Refused { code: "temporarily_unavailable".into() },
    ];
    for trouble in troubles {
        world.run("UPDATE credential SET retry_at = NULL").await;
        world.provider.fail(Fault::Refuse(trouble));
        assert_eq!(get(&world.vault, &key).await, "access-c1-0", "twenty seconds are left of it");
    }
    assert_eq!(world.provider.calls(), 4);
    assert_eq!(world.text("SELECT CAST(failures AS TEXT) FROM credential").await, "4");
    world.advance(86_400);
    assert_eq!(get(&world.vault, &key).await, "access-c1-1");
    assert_eq!(world.text("SELECT CAST(failures AS TEXT) FROM credential").await, "0");
}

async fn a_lost_answer_is_not_asked_for_again_where_that_would_kill_the_grant(place: Place) {
    for fault in [Fault::LoseAnswer, Fault::Refuse(CallError::Malformed("it is HTML"))] {
        let world = World::new(
            if place.url.starts_with("sqlite") { Place::sqlite() } else { Place::postgres() },
            ROTATING,
        )
        .await;
        let key = world.connect("c1").await;
        world.provider.fail(fault);
        world.advance(3571);
        for _ in 0..5 {
            assert_eq!(get(&world.vault, &key).await, "access-c1-0", "served till its end");
            world.advance(5);
        }
        assert_eq!(world.text("SELECT status FROM connection").await, "active");
        assert_eq!(outcome(&world.vault.refresh(&key).await), "upstream_timeout");
        world.advance(5);
        let ended = world.vault.access_token(&key).await;
        assert_eq!(outcome(&ended), "reauthorization_required");
        assert!(ended.unwrap_err().to_string().contains("a renewal was cut off"));
        assert_eq!(world.provider.calls(), 1);
        assert_eq!(world.events("jackfield.connection.needs_reauth").await.len(), 1);
    }
}

async fn a_lost_answer_is_asked_for_again_within_the_leeway(place: Place) {
    let world = World::new(place, FORGIVING).await;
    let key = world.connect("c1").await;
    world.provider.fail(Fault::LoseAnswer);
    world.provider.fail(Fault::LoseAnswer);
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "upstream_timeout");
    world.advance(60);
    assert_eq!(get(&world.vault, &key).await, "upstream_timeout");
    world.advance(60);
    assert_eq!(get(&world.vault, &key).await, "access-c1-3");
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-c1-4", "the grant lives");
    assert_eq!(world.provider.reuses(), 0);
}

async fn after_the_leeway_a_lost_answer_is_lost(place: Place) {
    let world = World::new(place, FORGIVING).await;
    let key = world.connect("c1").await;
    world.provider.fail(Fault::LoseAnswer);
    world.advance(3600);
    let timeout = world.vault.access_token(&key).await;
    assert!(retry_at(&timeout) <= world.ambient.now().plus(Duration::from_secs(590)));
    world.advance(591);
    assert_eq!(get(&world.vault, &key).await, "reauthorization_required");
    assert_eq!(world.provider.calls(), 1);
}

async fn a_lost_answer_is_asked_for_again_where_nothing_rotates(place: Place) {
    let world = World::new(place, LASTING).await;
    let key = world.connect("c1").await;
    world.provider.fail(Fault::LoseAnswer);
    world.provider.fail(Fault::LoseCall);
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "upstream_timeout");
    world.advance(86_400);
    assert_eq!(get(&world.vault, &key).await, "upstream_timeout");
    world.advance(86_400);
    assert_eq!(get(&world.vault, &key).await, "access-c1-2");
}

async fn a_rejection_before_an_answer_was_lost_ends_the_grant(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.provider.fail(Fault::LoseAnswer);
    let first = world.vault.rejected(&key, 1).await;
    assert_eq!(
        outcome(&first),
        "reauthorization_required",
        "neither the old token nor the refresh token is any good"
    );
    assert_eq!(world.provider.calls(), 1);
}

async fn a_refusal_after_a_lost_answer_leaves_the_outcome_unknown(place: Place) {
    let world = World::new(place, FORGIVING).await;
    let key = world.connect("c1").await;
    world.provider.fail(Fault::LoseAnswer);
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "upstream_timeout");
    world.advance(60);
    let retry_after = Some(Duration::from_mins(50));
    world.provider.fail(Fault::Refuse(CallError::RateLimited { retry_after }));
    assert_eq!(get(&world.vault, &key).await, "upstream_rate_limited");
    world.advance(3010);
    assert_eq!(get(&world.vault, &key).await, "reauthorization_required", "the leeway is over");
    assert_eq!((world.provider.calls(), world.provider.reuses()), (2, 0));
}

async fn tokens_that_the_database_cannot_take_are_served_and_written_later(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    let gate = world.provider.hold();
    let (answer, ()) = tokio::join!(world.vault.access_token(&key), async {
        until("the call has begun", async || world.provider.calls() == 1).await;
        world.run("ALTER TABLE credential RENAME TO away").await;
        gate.add_permits(1);
    });
    assert_eq!(outcome(&answer), "access-c1-1");
    world.advance(31);
    assert_eq!(get(&world.vault, &key).await, "access-c1-1", "from memory, however long it takes");
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.run("ALTER TABLE away RENAME TO credential").await;
    until("it is written down", async || {
        world.text("SELECT CAST(version AS TEXT) FROM credential").await == "2"
    })
    .await;
    assert_eq!(get(&world.replica(), &key).await, "access-c1-1");
    world.advance(3600);
    assert_eq!(get(&world.vault, &key).await, "access-c1-2", "with the refresh token that it brought");
    assert_eq!(world.provider.reuses(), 0);
}

async fn tokens_that_are_not_written_yet_survive_another_replicas_judgement(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    let gate = world.provider.hold();
    let (answer, ()) = tokio::join!(world.vault.access_token(&key), async {
        until("the call has begun", async || world.provider.calls() == 1).await;
        // Meanwhile the lease ends, and a replica has to take the attempt for lost.
        world.advance(26);
        assert_eq!(get(&world.replica(), &key).await, "reauthorization_required");
        gate.add_permits(1);
    });
    assert_eq!(outcome(&answer), "access-c1-1");
    until("it is written down", async || {
        world.text("SELECT CAST(version AS TEXT) FROM credential").await == "2"
    })
    .await;
    assert_eq!(get(&world.replica(), &key).await, "access-c1-1");
    assert_eq!(world.text("SELECT status FROM connection").await, "active");
    assert_eq!(world.events("jackfield.connection.updated").await.len(), 1);
    assert_eq!(world.provider.calls(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgres_that_restarts_between_redemption_and_writing_loses_nothing() {
    let mut postgres = Postgres::start().unwrap();
    let place = Place { url: postgres.database().unwrap(), _folder: None };
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    let gate = world.provider.hold();
    let getting = tokio::spawn({
        let (vault, key) = (world.vault.clone(), key.clone());
        async move { get(&vault, &key).await }
    });
    until("the call has begun", async || world.provider.calls() == 1).await;
    let mut postgres = tokio::task::spawn_blocking(move || {
        postgres.stop(Ending::Immediate).unwrap();
        postgres
    })
    .await
    .unwrap();
    gate.add_permits(1);
    assert_eq!(getting.await.unwrap(), "access-c1-1");
    assert_eq!(get(&world.vault, &key).await, "access-c1-1");
    let _postgres = tokio::task::spawn_blocking(move || {
        postgres.resume().unwrap();
        postgres
    })
    .await
    .unwrap();
    until("it is written down", async || {
        world.text("SELECT CAST(version AS TEXT) FROM credential").await == "2"
    })
    .await;
    assert!(world.vault.settle(Duration::from_secs(5)).await);
    assert_eq!(get(&world.replica(), &key).await, "access-c1-1");
}
