//! Many callers, and several replicas, that want one token.

use std::time::Duration;

use connections::protocol::CallError;

use super::provider::Fault;
use super::{Place, ROTATING, World, get, on_both_databases, outcome, until};

on_both_databases!(
    a_caller_that_goes_away_cancels_nothing,
    many_callers_of_two_replicas_have_one_redemption_made,
    another_replicas_renewal_is_waited_for_only_where_nothing_holds,
    a_death_before_sending_loses_nothing,
    many_connections_are_renewed_side_by_side,
    who_read_the_row_before_the_provider_refused_does_not_ask_again,
);

async fn a_caller_that_goes_away_cancels_nothing(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    let gate = world.provider.hold();
    let mut callers: Vec<_> = (0..100)
        .map(|_| {
            let (vault, key) = (world.vault.clone(), key.clone());
            tokio::spawn(async move { get(&vault, &key).await })
        })
        .collect();
    until("the call has begun", async || world.provider.calls() == 1).await;
    // The first is the one that began it.
    callers.remove(0).abort();
    callers.remove(50).abort();
    gate.add_permits(1);
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "access-c1-1");
    }
    assert_eq!(world.provider.calls(), 1);
    let readings = world.provider.readings();
    assert!(readings < 50, "a hundred callers share their looks and waits: {readings}");
    // Even if all go.
    world.advance(3600);
    let gate = world.provider.hold();
    let gone = tokio::time::timeout(Duration::from_millis(300), world.vault.access_token(&key)).await;
    assert!(gone.is_err());
    gate.add_permits(1);
    until("the renewal is written", async || {
        world.text("SELECT CAST(version AS TEXT) FROM credential").await == "3"
    })
    .await;
    assert_eq!(world.provider.redemptions(), 2);
}

async fn many_callers_of_two_replicas_have_one_redemption_made(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    let replica = world.replica();
    let callers = (0..200).map(|n| if n % 2 == 0 { &world.vault } else { &replica }.access_token(&key));
    for answer in futures::future::join_all(callers).await {
        assert_eq!(outcome(&answer), "access-c1-1");
    }
    let rejections = (0..200).map(|n| if n % 2 == 0 { &world.vault } else { &replica }.rejected(&key, 2));
    for answer in futures::future::join_all(rejections).await {
        assert_eq!(outcome(&answer), "access-c1-2");
    }
    assert_eq!((world.provider.calls(), world.provider.reuses()), (2, 0));
}

async fn another_replicas_renewal_is_waited_for_only_where_nothing_holds(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3580);
    let gate = world.provider.hold();
    let replica = world.replica();
    let (here, there, rejected, ()) = tokio::join!(
        world.vault.access_token(&key),
        async {
            until("the call has begun", async || world.provider.calls() == 1).await;
            replica.access_token(&key).await
        },
        async {
            until("the call has begun", async || world.provider.calls() == 1).await;
            world.replica().rejected(&key, 1).await
        },
        async {
            until("the call has begun", async || world.provider.calls() == 1).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            gate.add_permits(1);
        },
    );
    assert_eq!(outcome(&here), "access-c1-1");
    assert_eq!(outcome(&there), "access-c1-0", "twenty seconds are left of it");
    assert_eq!(outcome(&rejected), "access-c1-1");
    assert_eq!(world.provider.calls(), 1);
}

async fn a_death_before_sending_loses_nothing(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    world.advance(3600);
    // As a process leaves it that dies between the lease and the mark.
    world.run("UPDATE credential SET lease_owner = 'dead', fence = fence + 1, lease_until = issued_at + 3620000").await;
    let (answer, ()) = tokio::join!(world.vault.access_token(&key), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(world.provider.calls(), 0, "the lease is another's");
        world.advance(20);
    });
    assert_eq!(outcome(&answer), "access-c1-1");
}

async fn many_connections_are_renewed_side_by_side(place: Place) {
    let world = World::new(place, ROTATING).await;
    let mut keys = Vec::new();
    for n in 0..20 {
        keys.push(world.connect(&format!("c{n}")).await);
    }
    world.advance(3600);
    let gates: Vec<_> = keys.iter().map(|_| world.provider.hold()).collect();
    let callers = keys.iter().map(|key| get(&world.vault, key));
    let (answers, ()) = tokio::join!(futures::future::join_all(callers), async {
        // No connection to the database is held by any of them, or sixteen would be the most.
        until("all calls have begun", async || world.provider.calls() == 20).await;
        for gate in gates {
            gate.add_permits(1);
        }
    });
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(*answer, format!("access-c{n}-1"));
    }
}

async fn who_read_the_row_before_the_provider_refused_does_not_ask_again(place: Place) {
    let world = World::new(place, ROTATING).await;
    let key = world.connect("c1").await;
    let retry_after = Some(Duration::from_mins(10));
    world.provider.fail(Fault::Refuse(CallError::RateLimited { retry_after }));
    let go_on = world.provider.stall();
    let late = tokio::spawn({
        let (replica, key) = (world.replica(), key.clone());
        async move { outcome(&replica.rejected(&key, 1).await) }
    });
    until("the replica has read the row", async || world.provider.is_stalled()).await;
    assert_eq!(outcome(&world.vault.refresh(&key).await), "upstream_rate_limited");
    go_on.send(()).unwrap();
    assert_eq!(late.await.unwrap(), "upstream_rate_limited");
    assert_eq!(world.provider.calls(), 1);
}
