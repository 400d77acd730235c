//! The log over NATS: several processes, and NATS away and back.

use std::time::{Duration, Instant};

use events::feed::Follower;
use model::Ambient;
use testkit::Nats;

use crate::bus::{Bus, PATIENCE, is_silent, numbers};
use crate::place::Place;

/// Whether the log of this bus's database has a holder that relays it.
async fn is_relayed(bus: &Bus) -> bool {
    let mut conn = bus.database.read().await.unwrap();
    let (until,): (i64,) =
        storage::on!(conn, |c| sqlx::query_as("SELECT lease_until FROM event_relay").fetch_one(c).await)
            .unwrap();
    until > Ambient::system().now().as_millisecond()
}

async fn wait_until_relayed(bus: &Bus) {
    let began = Instant::now();
    while !is_relayed(bus).await {
        assert!(began.elapsed() < PATIENCE, "nobody relays");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Says one event after the other until the relay, and not the database, has brought one to each of these.
async fn wait_until_carried(said_by: &Bus, told: [(&Bus, &mut Follower); 2], said: &mut usize) {
    let began = Instant::now();
    let before = told.each_ref().map(|(bus, _)| bus.feed.relayed());
    let [(one, first), (other, second)] = told;
    while one.feed.relayed() == before[0] || other.feed.relayed() == before[1] {
        assert!(began.elapsed() < PATIENCE, "the relay carries nothing");
        said_by.say("acme", "order", *said).await;
        assert_eq!((numbers(first, 1).await, numbers(second, 1).await), (vec![*said], vec![*said]));
        *said += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_nats_is_away_and_nothing_comes_twice() {
    let (place, mut nats) = (Place::postgres(), Nats::start().unwrap());
    let (here, there) =
        (Bus::start_with(&place, nats.url()).await, Bus::start_with(&place, nats.url()).await);
    wait_until_relayed(&here).await;
    let (mut near, mut far) = (here.follow("acme", None).await, there.follow("acme", None).await);
    let mut said = 0;
    let say = async |said: &mut usize| {
        for number in *said..*said + 20 {
            here.say("acme", "order", number).await;
        }
        *said += 20;
        (*said - 20..*said).collect::<Vec<_>>()
    };
    let expected = say(&mut said).await;
    assert_eq!((numbers(&mut near, 20).await, numbers(&mut far, 20).await), (expected.clone(), expected));
    wait_until_carried(&here, [(&here, &mut near), (&there, &mut far)], &mut said).await;
    for _ in 0..2 {
        nats.stop().unwrap();
        let expected = say(&mut said).await;
        assert_eq!((numbers(&mut near, 20).await, numbers(&mut far, 20).await), (expected.clone(), expected));
        nats.resume().unwrap();
        // While the connection comes back, and after.
        for _ in 0..3 {
            let expected = say(&mut said).await;
            assert_eq!(
                (numbers(&mut near, 20).await, numbers(&mut far, 20).await),
                (expected.clone(), expected)
            );
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        wait_until_carried(&here, [(&here, &mut near), (&there, &mut far)], &mut said).await;
    }
    assert!(is_silent(&mut near).await && is_silent(&mut far).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_relays_where_one_has_ended() {
    let (place, nats) = (Place::postgres(), Nats::start().unwrap());
    let first = Bus::start_with(&place, nats.url()).await;
    wait_until_relayed(&first).await;
    let second = Bus::start_with(&place, nats.url()).await;
    let mut follower = second.follow("acme", None).await;
    first.say("acme", "order", 0).await;
    // Its tasks end without a word, as in a crash.
    drop(first);
    for number in 1..50 {
        second.say("acme", "order", number).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(numbers(&mut follower, 50).await, (0..50).collect::<Vec<_>>());
    tokio::time::sleep(Duration::from_secs(7)).await;
    wait_until_relayed(&second).await;
    second.say("acme", "order", 50).await;
    assert_eq!(numbers(&mut follower, 1).await, [50]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_logs_on_one_server_are_apart() {
    let nats = Nats::start().unwrap();
    let (one, other) = (Place::postgres(), Place::sqlite());
    let (one, other) = (Bus::start_with(&one, nats.url()).await, Bus::start_with(&other, nats.url()).await);
    wait_until_relayed(&one).await;
    wait_until_relayed(&other).await;
    let (mut of_one, mut of_other) = (one.follow("acme", None).await, other.follow("acme", None).await);
    for number in 0..30 {
        one.say("acme", "order", number).await;
        other.say("acme", "order", number + 100).await;
    }
    assert_eq!(numbers(&mut of_one, 30).await, (0..30).collect::<Vec<_>>());
    assert_eq!(numbers(&mut of_other, 30).await, (100..130).collect::<Vec<_>>());
}
