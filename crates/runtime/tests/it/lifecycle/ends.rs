//! What is uninstalled, and tenants that are deleted.

use std::time::Duration;

use model::EventKind;
use runtime::lifecycle::{Error, Hook, State, TENANT_DATA};
use storage::Tenants;

use super::world::{World, plugin, script, settle, tenant};
use crate::place::{Place, on_both_databases};

on_both_databases!(
    an_uninstall_is_told_and_then_nothing_is_left,
    an_uninstall_does_not_wait_for_a_hook_that_fails,
    a_last_hook_that_fails_keeps_nothing_back,
    without_a_last_hook_nothing_is_left_either,
    what_is_installed_again_keeps_what_it_has,
    a_last_hook_is_not_called_again_for_what_comes_after_it,
    a_second_uninstall_is_told_though_the_first_has_just_ended,
    of_two_uninstalls_that_wait_the_last_is_told,
    what_an_uninstall_has_overtaken_is_not_made_again,
    a_deleted_tenant_leaves_no_runs,
);

async fn an_uninstall_is_told_and_then_nothing_is_left(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onEnable", "onUninstall"]);
    assert_eq!(world.erased(), [("acme".to_owned(), "key-notes".to_owned())]);
    assert!(!world.has_departed());
    let states = world.states(&process, "acme", "notes").await;
    assert_eq!(states[2], (Hook::Uninstall, State::Done), "and it can be seen");
}

async fn an_uninstall_does_not_wait_for_a_hook_that_fails(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 100);
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onUninstall"]);
    let runs = world.runs(&process, "acme", "notes").await;
    let states: Vec<_> = runs.iter().map(|run| run.state).collect();
    assert_eq!(states, [State::Skipped, State::Skipped, State::Done]);
    assert_eq!(runs[0].error.as_deref(), Some("the plugin was uninstalled meanwhile"));
    assert_eq!(world.erased().len(), 1);

    // Also where the hook is at work just then.
    world.hold("slow");
    world.fail("slow", "onInstall", 100);
    world.install("acme", "slow").await;
    process.round().await.unwrap();
    world.until_called(3).await;
    world.uninstall("acme", "slow").await;
    process.round().await.unwrap();
    world.let_go("slow");
    world.release.add_permits(1);
    process.idle().await;
    settle(&process).await;
    world.clock.advance(Duration::from_secs(10));
    settle(&process).await;
    assert_eq!(world.called()[2..], ["onInstall", "onUninstall"]);
    assert_eq!(world.overlaps(), 0);
}

async fn a_last_hook_that_fails_keeps_nothing_back(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onUninstall", 100);
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    for _ in 0..6 {
        settle(&process).await;
        assert!(world.runs(&process, "acme", "notes").await.len() == 3);
        world.clock.advance(Duration::from_hours(2));
    }
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!((runs[2].state, runs[2].attempts), (State::Failed, 6));
    assert_eq!(world.erased().len(), 1);
    assert!(!world.has_departed());
    assert_eq!(world.logged(EventKind::PluginHookFailed).await.len(), 1);
    let again = process.retry(&tenant("acme"), &plugin("notes"), runs[2].id).await;
    assert!(matches!(again, Err(Error::Departed)), "{again:?}");
}

async fn without_a_last_hook_nothing_is_left_either(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    let mut silent = script(&tenant("acme"), "silent");
    silent.handlers.clear();
    world.install_as(silent, false).await;
    world.uninstall("acme", "silent").await;
    settle(&process).await;
    assert_eq!(world.called(), [""; 0]);
    assert_eq!(world.erased().len(), 1);
    assert_eq!(world.states(&process, "acme", "silent").await[2], (Hook::Uninstall, State::Skipped));
}

async fn what_is_installed_again_keeps_what_it_has(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    world.install("acme", "notes").await;
    settle(&process).await;
    let hooks = ["onInstall", "onEnable", "onUninstall", "onInstall", "onEnable"];
    assert_eq!(world.called(), hooks);
    assert_eq!(world.erased(), []);
    assert!(!world.has_departed());
}

async fn a_last_hook_is_not_called_again_for_what_comes_after_it(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    // As often as it is tried while the run is held: then its lease ends.
    world.fail_erasing(4);
    process.round().await.unwrap();
    process.idle().await;
    assert!(world.erased().is_empty());
    assert_eq!(world.states(&process, "acme", "notes").await[2], (Hook::Uninstall, State::Running));
    world.clock.advance(Duration::from_secs(31));
    let other = world.process().await;
    settle(&other).await;
    assert_eq!(world.called(), ["onInstall", "onEnable", "onUninstall"]);
    assert_eq!(world.erased().len(), 1);
    assert_eq!(world.states(&process, "acme", "notes").await[2], (Hook::Uninstall, State::Done));
}

async fn a_second_uninstall_is_told_though_the_first_has_just_ended(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.install("acme", "notes").await;
    settle(&process).await;
    world.hold("notes");
    world.uninstall("acme", "notes").await;
    process.round().await.unwrap();
    world.until_called(3).await;
    // The log tells of this one, and nobody has read it when the first hook ends.
    world.clock.advance(Duration::from_secs(1));
    world.install("acme", "notes").await;
    world.clock.advance(Duration::from_secs(1));
    world.uninstall("acme", "notes").await;
    world.let_go("notes");
    world.release.add_permits(1);
    process.idle().await;
    assert!(world.has_departed() && world.erased().is_empty(), "the second hook needs it yet");
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onEnable", "onUninstall", "onUninstall"]);
    assert!(!world.has_departed());
    assert_eq!(world.erased().len(), 1);
}

async fn of_two_uninstalls_that_wait_the_last_is_told(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.hold("notes");
    world.install("acme", "notes").await;
    process.round().await.unwrap();
    world.until_called(1).await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_millis(10));
        world.uninstall("acme", "notes").await;
        world.install("acme", "notes").await;
        process.round().await.unwrap();
    }
    world.clock.advance(Duration::from_millis(10));
    world.uninstall("acme", "notes").await;
    process.round().await.unwrap();
    let runs = world.runs(&process, "acme", "notes").await;
    assert_eq!(runs.iter().filter(|run| run.finished_at.is_none()).count(), 2);
    world.let_go("notes");
    world.release.add_permits(1);
    process.idle().await;
    settle(&process).await;
    assert_eq!(world.called(), ["onInstall", "onUninstall"]);
    assert!(!world.has_departed());
    assert_eq!(world.erased().len(), 1);
}

async fn what_an_uninstall_has_overtaken_is_not_made_again(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    world.fail("notes", "onInstall", 100);
    world.install("acme", "notes").await;
    settle(&process).await;
    world.uninstall("acme", "notes").await;
    settle(&process).await;
    world.install("acme", "notes").await;
    settle(&process).await;
    let first = world.runs(&process, "acme", "notes").await[0].id;
    let called = world.calls().len();
    process.retry(&tenant("acme"), &plugin("notes"), first).await.unwrap();
    settle(&process).await;
    assert_eq!(world.calls().len(), called);
    assert_eq!(world.states(&process, "acme", "notes").await[0], (Hook::Install, State::Skipped));
}

async fn a_deleted_tenant_leaves_no_runs(place: Place) {
    let world = World::new(place).await;
    let process = world.process().await;
    for name in ["acme", "other"] {
        world.install(name, "notes").await;
    }
    settle(&process).await;
    let lists = [TENANT_DATA, storage::TENANT_DATA];
    let tenants = Tenants::new(world.database.clone(), &lists, Vec::new(), world.ambient.clone());
    let deleted = tenants.delete(&tenant("acme"), "operator").await.unwrap().unwrap();
    assert_eq!(deleted["runs of plugins' hooks"], 2);
    assert_eq!(world.count().await, 2);
    assert_eq!(world.states(&process, "other", "notes").await.len(), 2);
}
