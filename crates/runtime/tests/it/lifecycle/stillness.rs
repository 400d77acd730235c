//! What takes time: leases that are held and lost, hooks that never end, and writing down what came of them. Time stands still
//! but for the steps that a test makes.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use runtime::lifecycle::{Hook, Lifecycle, State};

use super::world::{LONGEST, World, settle};
use crate::place::Place;

/// How long a run stays taken where its process has ended.
const LEASE: Duration = Duration::from_secs(30);

/// Has time stand still until this is dropped, also where nothing is at work but the database's own threads.
fn stand_still() -> Sender<()> {
    let (still, goes_on) = channel();
    tokio::task::spawn_blocking(move || goes_on.recv());
    tokio::time::pause();
    still
}

/// Has a little time pass, and whoever has begun to write with it end.
async fn step(world: &World, by: Duration) {
    tokio::time::advance(by).await;
    world.clock.advance(by);
    for _ in 0..3 {
        tokio::task::yield_now().await;
        drop(world.database.begin().await.unwrap());
    }
}

/// A process that shares its connection for writing with the test, and a hook of it that is at work.
async fn at_work() -> (Arc<World>, Lifecycle) {
    let world = World::new(Place::sqlite()).await;
    let process = world.on(world.database.clone());
    world.hold("notes");
    world.install("acme", "notes").await;
    process.round().await.unwrap();
    world.until_called(1).await;
    (world, process)
}

#[tokio::test]
async fn a_hook_at_work_keeps_its_lease() {
    let (world, process) = at_work().await;
    let other = world.process().await;
    let _still = stand_still();
    for _ in 0..100 {
        step(&world, Duration::from_secs(1)).await;
        assert_eq!(other.round().await.unwrap(), 0);
    }
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Running, 1));
    assert_eq!(world.called(), ["onInstall"]);
}

#[tokio::test]
async fn a_hook_is_given_up_before_its_lease_ends_where_that_cannot_be_renewed() {
    let (world, process) = at_work().await;
    let _still = stand_still();
    // Nobody else gets to write.
    let held = world.database.begin().await.unwrap();
    let mut passed = Duration::ZERO;
    {
        let idle = process.idle();
        tokio::pin!(idle);
        while passed < Duration::from_mins(2) {
            tokio::select! {
                biased;
                () = &mut idle => break,
                () = tokio::time::advance(Duration::from_millis(250)) => passed += Duration::from_millis(250),
            }
        }
    }
    assert!(passed < LEASE, "{passed:?}");
    drop(held);
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Running, 1), "who has lost it writes nothing");
    world.clock.advance(LEASE);
    world.let_go("notes");
    process.round().await.unwrap();
    while world.calls().len() < 2 {
        step(&world, Duration::from_millis(1)).await;
    }
    assert_eq!(world.calls()[1].attempt, 2);
}

#[tokio::test]
async fn a_hook_that_never_ends_has_failed() {
    let (world, process) = at_work().await;
    let _still = stand_still();
    // Its program is read first.
    for _ in 0..LONGEST.as_secs() {
        step(&world, Duration::from_secs(1)).await;
    }
    assert_eq!(world.runs(&process, "acme", "notes").await[0].state, State::Running);
    for _ in 0..60 {
        step(&world, Duration::from_secs(1)).await;
    }
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Pending, 1));
    assert_eq!(runs[0].error.as_deref(), Some("the hook took too long"));
}

#[tokio::test]
async fn what_came_of_a_hook_is_written_again_where_it_could_not_be() {
    let world = World::new(Place::sqlite()).await;
    let process = world.on(world.database.clone());
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    world.fail_erasing(3);
    world.hold("notes");
    process.round().await.unwrap();
    world.until_called(3).await;
    let _still = stand_still();
    world.release.add_permits(1);
    // Less than its lease has, so nobody has taken it anew.
    for _ in 0..60 {
        step(&world, Duration::from_millis(100)).await;
    }
    assert_eq!(world.states(&process, "acme", "notes").await[2], (Hook::Uninstall, State::Done));
    assert_eq!(world.called(), ["onInstall", "onEnable", "onUninstall"]);
    assert_eq!(world.erased().len(), 1);
}
