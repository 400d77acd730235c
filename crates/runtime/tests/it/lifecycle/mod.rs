//! Runs of lifecycle hooks: each event once, in order, again after failures, and never in the way.

mod ends;
mod processes;
mod stillness;
mod troubles;
mod world;

use std::time::Duration;

use model::EventKind;
use registry::{BackendKind, Deployment};
use runtime::lifecycle::{Error, Hook, State};

use crate::place::{Place, on_both_databases};
use world::{World, plugin, script, settle, tenant};

on_both_databases!(
    an_install_calls_its_hooks_once_and_in_order,
    an_event_that_is_read_again_makes_no_run,
    what_was_installed_before_is_told_of_nothing,
    a_hook_that_fails_is_tried_again_until_it_does_not,
    a_hook_that_fails_for_good_is_told_and_lets_the_next_go_on,
    switching_on_and_off_is_told_in_order,
    what_cannot_be_called_is_skipped_and_says_why,
    a_failed_run_is_made_again_when_asked_for,
    a_waiting_run_is_made_at_once_when_asked_for,
    runs_are_listed_page_by_page,
    another_tenant_sees_nothing,
    old_runs_are_forgotten,
    who_switches_too_often_is_not_told_of_each_time,
);

async fn an_install_calls_its_hooks_once_and_in_order(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onEnable"]);
    let runs = world.runs(&process, "acme", "notes").await;
    let told: Vec<_> = runs.iter().map(|run| (run.hook, run.state, run.attempts)).collect();
    assert_eq!(told, [(Hook::Install, State::Done, 1), (Hook::Enable, State::Done, 1)]);
    let calls = world.calls();
    assert_eq!((&calls[0].event, &calls[1].event), (&runs[0].event, &runs[1].event));
    assert_eq!(calls[0].event, calls[1].event, "it is one event");
    assert_eq!(runs[0].event_kind, EventKind::InstallationCreated.as_str());
    assert!(runs[0].finished_at.is_some() && runs[0].next_attempt_at.is_none() && runs[0].error.is_none());
}

async fn an_event_that_is_read_again_makes_no_run(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.execute("UPDATE log_reader SET cursor = 0, lease_until = 0 WHERE name = 'lifecycle'").await;
    let other = world.process().await;
    settle(&other).await;
    assert_eq!(world.called(), ["onInstall", "onEnable"]);
    assert_eq!(world.count().await, 2);
}

/// Events from before there were backends name no version.
async fn what_was_installed_before_is_told_of_nothing(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    world.execute("UPDATE event SET data = '{\"version\":\"1.0.0\",\"by\":\"u1\"}'").await;
    world.install("acme", "other").await;
    settle(&process).await;
    assert!(world.calls().iter().all(|call| call.plugin == "other"));
    assert_eq!(world.count().await, 2);
}

async fn a_hook_that_fails_is_tried_again_until_it_does_not(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 2);
    world.install("acme", "notes").await;
    settle(&process).await;
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Pending, 1));
    assert_eq!(runs[0].error.as_deref(), Some("onInstall is broken"));
    let wait = world.ambient.now().until(runs[0].next_attempt_at.unwrap());
    assert!((Duration::from_secs(5)..=Duration::from_secs(6)).contains(&wait), "{wait:?}");
    assert_eq!((runs[1].state, runs[1].attempts), (State::Pending, 0), "the next waits for it");

    world.clock.advance(Duration::from_secs(4));
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall"]);
    world.clock.advance(Duration::from_secs(2));
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onInstall"]);
    world.clock.advance(Duration::from_secs(36));
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onInstall", "onInstall", "onEnable"]);
    let calls = world.calls();
    assert_eq!([calls[0].attempt, calls[1].attempt, calls[2].attempt], [1, 2, 3]);
    assert!(calls.iter().all(|call| call.event == calls[0].event), "by the event's id it is known again");
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts, &runs[0].error), (State::Done, 3, &None));
    assert_eq!(runs[1].state, State::Done);
}

async fn a_hook_that_fails_for_good_is_told_and_lets_the_next_go_on(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 100);
    world.install("acme", "notes").await;
    world.install("acme", "other").await;
    settle(&process).await;
    assert_eq!(
        world.states(&process, "acme", "other").await[1],
        (Hook::Enable, State::Done),
        "nobody else waits"
    );
    for (attempts, minutes) in [(1, 1), (2, 1), (3, 3), (4, 13), (5, 73)] {
        let runs = world.runs(&process, "acme", "notes").await;
        assert_eq!((runs[0].state, runs[0].attempts), (State::Pending, attempts));
        world.clock.advance(Duration::from_mins(minutes));
        settle(&process).await;
    }
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[0].attempts), (State::Failed, 6));
    assert_eq!(runs[0].error.as_deref(), Some("onInstall is broken"));
    assert_eq!(runs[1].state, State::Done);
    let logged = world.logged(EventKind::PluginHookFailed).await;
    assert_eq!(logged.len(), 1);
    assert_eq!(
        (logged[0]["hook"].as_str(), logged[0]["run"].as_i64()),
        (Some("onInstall"), Some(runs[0].id))
    );
}

async fn switching_on_and_off_is_told_in_order(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.set_enabled("acme", "notes", false).await;
    settle(&process).await;
    world.set_enabled("acme", "notes", true).await;
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onEnable", "onDisable", "onEnable"]);
    // What was switched on again before its turn came is not switched off.
    world.set_enabled("acme", "notes", false).await;
    world.set_enabled("acme", "notes", true).await;
    settle(&process).await;
    assert_eq!(world.called()[4..], ["onEnable"]);
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!(runs[4].state, State::Skipped);
    assert_eq!(runs[4].error.as_deref(), Some("the plugin was switched on meanwhile"));
    // What was switched off again before its turn came is not switched on.
    world.set_enabled("acme", "notes", false).await;
    world.set_enabled("acme", "notes", true).await;
    world.set_enabled("acme", "notes", false).await;
    settle(&process).await;
    assert_eq!(world.called()[5..], ["onDisable", "onDisable"]);
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!(runs[7].error.as_deref(), Some("the plugin was switched off meanwhile"));
}

async fn what_cannot_be_called_is_skipped_and_says_why(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let acme = tenant("acme");
    let with = |id: &str, kind: Option<BackendKind>| Deployment { kind, ..script(&acme, id) };
    world.install_as(with("page", None), false).await;
    world.install_as(with("component", Some(BackendKind::Component)), false).await;
    let upstream = BackendKind::Upstream("https://example.com/".parse().unwrap());
    world.install_as(with("upstream", Some(upstream)), false).await;
    let mut silent = script(&acme, "silent");
    silent.handlers.clear();
    world.install_as(silent, false).await;
    world.install_as(script(&acme, "asking"), true).await;
    settle(&process).await;
    assert_eq!(world.called(), [""; 0]);
    for (id, reason) in [
        ("page", "has no backend"),
        ("component", "only scripts have hooks"),
        ("upstream", "only scripts have hooks"),
        ("silent", "has no onInstall"),
        ("asking", "consent"),
    ] {
        let runs = world.runs(&process, "acme", id).await;
        assert_eq!((runs.len(), runs[0].state), (2, State::Skipped), "{id}");
        assert!(runs[0].error.as_deref().unwrap().contains(reason), "{id}: {:?}", runs[0].error);
    }
    // Once there is consent, an admin has it made up for.
    world.consent("acme", "asking");
    let runs = world.runs(&process, "acme", "asking").await;
    process.retry(&acme, &plugin("asking"), runs[0].id).await.unwrap();
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall"]);
}

async fn a_failed_run_is_made_again_when_asked_for(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 6);
    world.install("acme", "notes").await;
    for _ in 0..6 {
        settle(&process).await;
        world.clock.advance(Duration::from_hours(2));
    }
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[0].state, runs[1].state), (State::Failed, State::Done));
    let (acme, notes) = (tenant("acme"), plugin("notes"));
    let again = process.retry(&acme, &notes, runs[0].id).await.unwrap();
    assert_eq!((again.state, again.attempts, again.finished_at), (State::Pending, 0, None));
    settle(&process).await;
    assert_eq!(world.states(&process, "acme", "notes").await[0], (Hook::Install, State::Done));
    assert_eq!(world.calls().last().unwrap().attempt, 1);
    let refused = process.retry(&acme, &notes, runs[0].id).await;
    assert!(matches!(refused, Err(Error::NotRepeatable(State::Done))), "{refused:?}");
    assert!(matches!(process.retry(&acme, &notes, runs[0].id + 100).await, Err(Error::NoSuchRun)));
    assert!(matches!(process.retry(&acme, &plugin("other"), runs[0].id).await, Err(Error::NoSuchRun)));
}

async fn a_waiting_run_is_made_at_once_when_asked_for(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    settle(&process).await;
    let runs = world.runs(&process, "acme", "notes").await;
    let (acme, notes) = (tenant("acme"), plugin("notes"));
    // The later one still waits for the earlier.
    process.retry(&acme, &notes, runs[1].id).await.unwrap();
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall"]);
    let again = process.retry(&acme, &notes, runs[0].id).await.unwrap();
    assert_eq!(again.attempts, 1, "it goes on with its attempts");
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onInstall", "onEnable"]);
}

async fn runs_are_listed_page_by_page(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let (acme, notes) = (tenant("acme"), plugin("notes"));
    world.install("acme", "notes").await;
    for enabled in [false, true, false] {
        world.set_enabled("acme", "notes", enabled).await;
    }
    settle(&process).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = process.list(&acme, &notes, cursor.as_deref(), Some(2)).await.unwrap();
        seen.extend(page.runs.iter().map(|run| run.id));
        let Some(next) = page.next_cursor else { break };
        cursor = Some(next);
    }
    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted_by(|a, b| a > b), "{seen:?}");
    assert!(matches!(process.list(&acme, &notes, Some("x"), None).await, Err(Error::Cursor)));
}

async fn another_tenant_sees_nothing(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    settle(&process).await;
    let run = world.runs(&process, "acme", "notes").await[0].id;
    let (other, notes) = (tenant("other"), plugin("notes"));
    let unknown = process.list(&other, &notes, None, None).await;
    assert!(matches!(unknown, Err(Error::Registry(registry::Error::NotInstalled(_)))), "{unknown:?}");
    assert!(matches!(process.retry(&other, &notes, run).await, Err(Error::NoSuchRun)));
}

async fn old_runs_are_forgotten(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.fail("late", "onInstall", 100);
    world.install("acme", "late").await;
    settle(&process).await;
    world.clock.advance(Duration::from_hours(29 * 24));
    assert_eq!(process.sweep().await.unwrap(), 0);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(process.sweep().await.unwrap(), 2);
    assert_eq!(world.runs(&process, "acme", "late").await.len(), 2, "what waits stays");
}

async fn who_switches_too_often_is_not_told_of_each_time(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 1);
    world.install("acme", "notes").await;
    settle(&process).await;
    for time in 0..110 {
        world.set_enabled("acme", "notes", time % 2 == 1).await;
    }
    process.round().await.unwrap();
    let runs = world.runs(&process, "acme", "notes").await;
    let waiting = runs.iter().filter(|run| run.state == State::Pending).count();
    assert_eq!((runs.len(), waiting), (112, 100));
    assert!(runs[111].error.as_deref().unwrap().contains("too many"));
    // An uninstall is told all the same, and at once.
    world.uninstall("acme", "notes").await;
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onUninstall"]);
}
