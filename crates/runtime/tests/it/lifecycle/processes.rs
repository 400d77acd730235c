//! Several processes, and processes that end.

use std::collections::BTreeMap;
use std::time::Duration;

use runtime::lifecycle::{Error, Hook, State};
use storage::on;

use super::world::{World, plugin, settle, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    two_processes_do_each_run_once,
    a_run_whose_process_ended_is_done_again,
    who_has_lost_its_lease_writes_nothing,
    a_hook_that_takes_its_process_along_ends_for_good,
    a_tenant_takes_no_more_than_its_part,
    a_run_at_work_cannot_be_made_again,
    a_shutdown_waits_for_what_is_at_work,
    what_a_shutdown_cuts_off_is_done_at_once_by_another,
    a_process_does_what_it_hears_of,
);

async fn two_processes_do_each_run_once(place: Place) {
    let world = World::new(place).await;
    let processes = [world.process().await, world.process().await];
    for index in 0..12 {
        let name = format!("t{}", index % 4);
        world.install(&name, &format!("p{index}")).await;
        world.set_enabled(&name, &format!("p{index}"), false).await;
    }
    let working = processes.clone().map(|process| tokio::spawn(process.run()));
    // Where the plugin was off before onEnable had its turn, that is skipped: 12 are certain.
    let settled = async {
        loop {
            let mut left = 0;
            for index in 0..12 {
                let name = format!("t{}", index % 4);
                let Ok(page) =
                    processes[0].list(&tenant(&name), &plugin(&format!("p{index}")), None, None).await
                else {
                    left += 1;
                    continue;
                };
                left += page.runs.iter().filter(|run| run.finished_at.is_none()).count();
                left += 3 - page.runs.len();
            }
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), settled).await.unwrap();
    for process in &processes {
        assert!(process.close(Duration::from_secs(5)).await);
    }
    for task in working {
        task.await.unwrap();
    }
    let mut counts = BTreeMap::<_, usize>::new();
    for call in world.calls() {
        *counts.entry((call.event, call.hook)).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(counts.keys().filter(|(_, hook)| *hook == "onInstall").count(), 12);
    assert_eq!(counts.keys().filter(|(_, hook)| *hook == "onDisable").count(), 12);
    assert_eq!(world.overlaps(), 0);
}

async fn a_run_whose_process_ended_is_done_again(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    world.hold("notes");
    world.install("acme", "notes").await;
    first.round().await.unwrap();
    world.until_called(1).await;
    world.let_go("notes");
    settle(&second).await;
    assert_eq!(world.called(), ["onInstall"], "it may still be at work");
    world.clock.advance(Duration::from_secs(31));
    settle(&second).await;
    let calls = world.calls();
    assert_eq!(world.called(), ["onInstall", "onInstall", "onEnable"]);
    assert_eq!((calls[0].attempt, calls[1].attempt), (1, 2));
    assert_eq!(calls[0].event, calls[1].event);
}

async fn who_has_lost_its_lease_writes_nothing(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    world.hold("notes");
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    first.round().await.unwrap();
    world.until_called(1).await;
    world.clock.advance(Duration::from_secs(31));
    second.round().await.unwrap();
    world.until_called(2).await;
    // The first to end is the one that has lost it; what it says does not count, well or ill.
    world.release.add_permits(1);
    first.idle().await;
    let runs = world.runs(&second, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts, &runs[0].error), (State::Running, 2, &None));
    world.let_go("notes");
    world.release.add_permits(1);
    second.idle().await;
    settle(&second).await;
    let runs = world.runs(&second, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[1].state), (State::Done, State::Done));
}

async fn a_hook_that_takes_its_process_along_ends_for_good(place: Place) {
    let world = World::new(place).await;
    world.hold("notes");
    world.install("acme", "notes").await;
    for attempt in 1..=6 {
        let process = world.process().await;
        process.round().await.unwrap();
        world.until_called(attempt).await;
        world.clock.advance(Duration::from_secs(31));
    }
    let process = world.process().await;
    process.round().await.unwrap();
    process.idle().await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!(runs[0].state, State::Failed);
    assert!(runs[0].error.as_deref().unwrap().contains("the server ended"));
    assert_eq!(world.called(), ["onInstall"; 6]);
}

async fn a_tenant_takes_no_more_than_its_part(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    for index in 0..12 {
        let id = format!("p{index}");
        world.hold(&id);
        world.install("greedy", &id).await;
    }
    world.install("quiet", "notes").await;
    process.round().await.unwrap();
    world.until_called(5).await;
    let first: Vec<_> = world.calls().into_iter().take(5).collect();
    assert_eq!(first.iter().filter(|call| call.tenant == "greedy").count(), 4, "{first:?}");
    world.clock.advance(Duration::from_secs(1));
    for _ in 0..200 {
        process.round().await.unwrap();
        if world.states(&process, "quiet", "notes").await[1].1 == State::Done {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.states(&process, "quiet", "notes").await[1], (Hook::Enable, State::Done));
    assert_eq!(world.calls().iter().filter(|call| call.tenant == "greedy").count(), 4);
}

async fn a_run_at_work_cannot_be_made_again(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.hold("notes");
    world.install("acme", "notes").await;
    process.round().await.unwrap();
    world.until_called(1).await;
    let run = world.runs(&process, "acme", "notes").await[0].id;
    let refused = process.retry(&tenant("acme"), &plugin("notes"), run).await;
    assert!(matches!(refused, Err(Error::NotRepeatable(State::Running))), "{refused:?}");
}

async fn a_shutdown_waits_for_what_is_at_work(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.hold("notes");
    world.install("acme", "notes").await;
    let working = tokio::spawn(process.clone().run());
    world.until_called(1).await;
    let closing = {
        let process = process.clone();
        tokio::spawn(async move { process.close(Duration::from_secs(10)).await })
    };
    working.await.unwrap();
    world.release.add_permits(1);
    assert!(closing.await.unwrap());
    let states = world.states(&process, "acme", "notes").await;
    assert_eq!(
        states,
        [(Hook::Install, State::Done), (Hook::Enable, State::Pending)],
        "nothing more was begun"
    );
}

async fn what_a_shutdown_cuts_off_is_done_at_once_by_another(place: Place) {
    let world = World::new(place).await;
    let (first, second) = (world.process().await, world.process().await);
    world.hold("notes");
    world.install("acme", "notes").await;
    first.round().await.unwrap();
    world.until_called(1).await;
    assert!(!first.close(Duration::from_millis(50)).await);
    world.let_go("notes");
    settle(&second).await;
    assert_eq!(world.called(), ["onInstall", "onInstall", "onEnable"]);
    assert_eq!(world.calls()[1].attempt, 1, "who was cut off has not failed");
    world.set_enabled("acme", "notes", false).await;
    settle(&second).await;
    assert_eq!(world.called().last(), Some(&"onDisable"), "and the log goes on being read");
}

/// A process need not look to know of what it has recorded itself.
async fn a_process_does_what_it_hears_of(place: Place) {
    let world = World::new(place).await;
    let process = world.on(world.database.clone());
    let working = tokio::spawn(process.clone().run());
    world.install("acme", "notes").await;
    world.until_called(2).await;
    assert!(process.close(Duration::from_secs(5)).await);
    working.await.unwrap();
    assert_eq!(world.called(), ["onInstall", "onEnable"]);
}

/// Also where it was just looking for what is due when it was told to end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_begins_nothing_more() {
    let world = World::new(Place::postgres()).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    settle(&process).await;
    world.clock.advance(Duration::from_secs(6));
    let mut held = world.database.begin().await.unwrap();
    on!(held, |c| sqlx::query("LOCK TABLE lifecycle_run IN ACCESS EXCLUSIVE MODE")
        .execute(c)
        .await
        .map(drop))
    .unwrap();
    let round = {
        let process = process.clone();
        tokio::spawn(async move { process.round().await })
    };
    let waits = async {
        while !world.is_somebody_waiting().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.unwrap();
    assert!(process.close(Duration::from_secs(1)).await, "nothing is at work");
    drop(held);
    assert_eq!(round.await.unwrap().unwrap(), 0);
    process.idle().await;
    assert_eq!(world.called(), ["onInstall"]);
}
