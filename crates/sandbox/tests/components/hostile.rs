//! Components of bad will. Each ends in its own error within its limits, and the next request is answered.

use std::time::Duration;

use model::{Coded as _, ErrorCode};
use sandbox::{Error, Limits, Settings};

use crate::trials;
use crate::world::{World, settings};

trials!(
    each_fault_is_told_and_the_next_request_is_answered,
    who_waits_without_end_is_given_up,
    who_keeps_failing_is_left_alone,
    a_request_that_nobody_waits_for_ends,
);

fn small() -> Settings {
    let limits = Limits { cpu: Duration::from_millis(150), memory: 8 << 20, ..settings().limits };
    Settings { limits, ..settings() }
}

async fn each_fault_is_told_and_the_next_request_is_answered() {
    type Expected = fn(&Error) -> bool;
    let faults: [(&str, Expected); 8] = [
        ("/l", |error| matches!(error, Error::CpuDeadline(_))),
        ("/m", |error| matches!(error, Error::Memory(_))),
        ("/r", |error| matches!(error, Error::Stack)),
        ("/u", |error| matches!(error, Error::Trapped(told) if told.contains("unreachable"))),
        ("/n", |error| matches!(error, Error::Answer(told) if told.contains("response-outparam"))),
        ("/d", |error| matches!(error, Error::Answer(told) if told.contains("HttpRequestDenied"))),
        ("/b", |error| matches!(error, Error::OutputTooLarge(_))),
        ("/f", |error| matches!(error, Error::BrokeOff(_))),
    ];
    for (path, is_expected) in faults {
        let world = World::with(small());
        let error = world.get(path).await.unwrap_err();
        assert!(is_expected(&error), "{path}: {error:?}");
        assert!(matches!(error.code(), ErrorCode::PluginFailed | ErrorCode::PluginTimeout), "{path}");
        assert_eq!(world.told("/").await, (200, "hello".to_owned()), "{path}");
        assert_eq!(world.sandbox.memory(), 0, "{path}");
    }
}

async fn who_waits_without_end_is_given_up() {
    let limits = Limits { wall: Duration::from_millis(300), ..Limits::default() };
    let world = World::with(Settings { limits, ..settings() });
    // Compiled, so that the wait is its own.
    world.sandbox.check_component(&crate::world::COMPONENT).await.unwrap();
    let error = world.get("/w").await.unwrap_err();
    assert!(matches!(error, Error::WallDeadline(_)), "{error:?}");
    assert_eq!(error.code(), ErrorCode::PluginTimeout);
}

async fn who_keeps_failing_is_left_alone() {
    let world = World::with(small());
    for _ in 0..5 {
        let error = world.get("/m").await.unwrap_err();
        assert!(matches!(error, Error::Memory(_)), "{error:?}");
    }
    assert_eq!(world.get("/").await.unwrap_err().code(), ErrorCode::PluginUnavailable);
}

async fn a_request_that_nobody_waits_for_ends() {
    let world = World::new();
    world.told("/").await;
    let waiting = tokio::time::timeout(Duration::from_millis(200), world.get("/w")).await;
    assert!(waiting.is_err());
    assert_eq!(world.sandbox.memory(), 0);
}
