//! What keeps the server itself from calling hooks, and what it cannot read.

use std::time::Duration;

use runtime::lifecycle::{Hook, State};

use super::world::{World, settle};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    the_servers_own_trouble_is_no_attempt,
    nothing_is_erased_before_its_last_hook_could_be_called,
    what_is_just_changing_is_looked_at_again,
    what_a_hook_has_failed_with_is_told_though_a_process_ended,
    what_is_due_is_done_while_the_log_cannot_be_read,
    what_only_a_later_version_knows_holds_up_nobody,
);

async fn the_servers_own_trouble_is_no_attempt(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    // Longer than it would take a hook to fail for good.
    world.trouble("notes", 16);
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    let mut waits = Vec::new();
    for _ in 0..16 {
        settle(&process).await;
        let runs = world.runs(&process, "acme", "notes").await;
        assert_eq!((runs[0].state, runs[0].attempts), (State::Pending, 0));
        assert_eq!(runs[0].error.as_deref(), Some("the server could not run the hook"));
        let wait = world.ambient.now().until(runs[0].next_attempt_at.unwrap());
        waits.push(wait.as_secs());
        world.clock.advance(wait);
    }
    assert!((2..=3).contains(&waits[0]) && (4..=5).contains(&waits[1]), "{waits:?}");
    assert!(waits[10..].iter().all(|wait| (600..=720).contains(wait)), "{waits:?}");
    settle(&process).await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Pending, 1), "and this was one");
    // From then on it begins anew.
    world.trouble("notes", 1);
    world.clock.advance(Duration::from_secs(6));
    settle(&process).await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Pending, 1));
    let wait = world.ambient.now().until(runs[0].next_attempt_at.unwrap());
    assert!(wait <= Duration::from_secs(3), "{wait:?}");
    world.clock.advance(wait);
    settle(&process).await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts, &runs[0].error), (State::Done, 2, &None));
}

async fn nothing_is_erased_before_its_last_hook_could_be_called(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.trouble("notes", 10);
    world.uninstall("acme", "notes").await;
    for _ in 0..10 {
        settle(&process).await;
        assert!(world.erased().is_empty() && world.has_departed());
        world.clock.advance(Duration::from_mins(13));
    }
    settle(&process).await;
    assert_eq!(world.states(&process, "acme", "notes").await[2], (Hook::Uninstall, State::Done));
    assert_eq!(world.erased().len(), 1);
}

async fn what_is_just_changing_is_looked_at_again(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.change(1);
    world.install("acme", "notes").await;
    settle(&process).await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts, &runs[0].error), (State::Pending, 0, &None));
    assert_eq!(world.called(), [""; 0]);
    world.clock.advance(Duration::from_secs(3));
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onEnable"]);
    assert_eq!(world.calls()[0].attempt, 1);
}

async fn what_a_hook_has_failed_with_is_told_though_a_process_ended(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 100);
    world.install("acme", "notes").await;
    for _ in 0..5 {
        settle(&process).await;
        world.clock.advance(Duration::from_hours(2));
    }
    world.hold("notes");
    let last = world.process().await;
    last.round().await.unwrap();
    world.until_called(6).await;
    world.clock.advance(Duration::from_secs(31));
    world.let_go("notes");
    process.round().await.unwrap();
    process.idle().await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!(runs[0].state, State::Failed);
    let error = runs[0].error.as_deref().unwrap();
    assert!(error.starts_with("onInstall is broken") && error.contains("the server ended"), "{error}");
}

async fn what_is_due_is_done_while_the_log_cannot_be_read(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    settle(&process).await;
    world.execute("DELETE FROM log_reader WHERE name = 'lifecycle'").await;
    world.clock.advance(Duration::from_secs(6));
    assert!(process.round().await.is_err());
    process.idle().await;
    assert_eq!(world.called(), ["onInstall", "onInstall"]);
}

async fn what_only_a_later_version_knows_holds_up_nobody(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    for index in 0..20 {
        world.install(&format!("t{index}"), "notes").await;
    }
    process.round().await.unwrap();
    process.idle().await;
    // As many as there is room for, and more, were due before.
    world
        .execute(
            "UPDATE lifecycle_run SET hook = CASE WHEN tenant = 't1' THEN 'onInstall' ELSE 'onUpgrade' END, \
             outcome = CASE WHEN tenant = 't1' THEN 'postponed' END, state = 'pending', finished_at = NULL, \
             next_attempt_at = 0 WHERE hook = 'onInstall'",
        )
        .await;
    let before = world.calls().len();
    world.install("acme", "notes").await;
    settle(&process).await;
    let calls = world.calls();
    assert!(calls[before..].iter().any(|call| call.tenant == "acme" && call.hook == "onEnable"), "{calls:?}");
}
