//! What is told of scripts before they are ever called.

use model::Coded as _;
use sandbox::{DeclaredHook, DeclaredRoute, Error, Lifecycle, Limits, Settings};

use crate::world::{World, bare, settings};

#[tokio::test]
async fn a_backend_tells_what_it_has() {
    let source = "var __plugin = (function () {
        class Base { inherited() {} }
        class Backend extends Base {
            routes = [{ method: 'GET', path: '/orders/:id', handler: 'order' }];
            hooks = [{ event: 'order.paid', handler: 'paid' }];
            handlers = { order() {}, paid: async () => {}, text: 'no function' };
            onInstall() {}
            direct() {}
        }
        return { default: new Backend(), other: 1 };
    })();";
    let found = World::new().sandbox.examine(&bare(source)).await.unwrap();
    assert_eq!(found.handlers, ["direct", "inherited", "order", "paid"]);
    let route = DeclaredRoute { method: "GET".into(), path: "/orders/:id".into(), handler: "order".into() };
    assert_eq!(found.routes, [route]);
    assert_eq!(found.hooks, [DeclaredHook { event: "order.paid".into(), handler: "paid".into() }]);
    assert_eq!(found.lifecycle, [Lifecycle::Install]);
}

#[tokio::test]
async fn what_is_no_backend_says_what_would_be() {
    let limits = Limits { cpu: std::time::Duration::from_millis(800), memory: 24 << 20, ..Limits::default() };
    let world = World::with(Settings { limits, ..settings() });
    for (source, expected) in [
        ("", "has no default export"),
        ("this is no script", "SyntaxError"),
        ("var __plugin = { default: ", "SyntaxError"),
        ("await 1; var __plugin = {}", "SyntaxError"),
        ("import x from 'y'; var __plugin = {}", "SyntaxError"),
        ("var __plugin = 7", "has no default export"),
        ("var __plugin = { default: Promise.resolve({}) }", "is a Promise"),
        ("throw new Error('at load'); var __plugin", "Error: at load"),
        ("fetch('https://a.test'); setTimeout(() => {}); var __plugin = {}", "a timer"),
        ("for (;;) {}", "computed for more than"),
        ("const a = []; for (;;) a.push(new Array(1000).fill(1))", "memory"),
        ("var __plugin = { routes: 1 }", "`routes` is an array of {method, path, handler}"),
        (
            "var __plugin = { routes: [{ method: 'GET', path: '/', handler: () => 1 }] }",
            "`routes[0].handler` is a text",
        ),
        ("var __plugin = { hooks: [null] }", "`hooks[0].event` is a text"),
        ("var __plugin = { hooks: Array(501).fill({ event: 'a', handler: 'b' }) }", "at most 500"),
        (
            "var __plugin = { handlers: Object.fromEntries(Array.from({ length: 501 }, (_, i) => ['h' + i, () => 1])) }",
            "more than 500",
        ),
        ("var __plugin = { get routes() { throw new TypeError('getter') } }", "TypeError: getter"),
    ] {
        let error = world.sandbox.examine(&bare(source)).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{source}: {error}");
    }
}

#[tokio::test]
async fn a_script_may_be_so_large() {
    let limits = Limits { script: 100, ..Limits::default() };
    let world = World::with(Settings { limits, ..settings() });
    let error = world.sandbox.examine(&bare(&"/".repeat(101))).await.unwrap_err();
    assert!(matches!(error, Error::ScriptTooLarge(100)), "{error:?}");
}

#[tokio::test]
async fn where_a_script_fails_is_a_violation() {
    let error = World::new().sandbox.examine(&bare("\n\nnothing.x();")).await.unwrap_err();
    let violations = error.violations();
    assert_eq!(violations.len(), 1, "{error:?}");
    assert_eq!(violations[0].place.as_ref().unwrap().line, Some(3));
}
