//! Scripts of bad will. Each ends in its own error within its limits, and the next call is answered.

use std::sync::Arc;
use std::time::Duration;

use model::{Coded, ErrorCode};
use sandbox::{Error, Limits, Rest, Settings};
use serde_json::json;

use crate::world::{World, bare, owner, script, settings};

fn small() -> Settings {
    let limits = Limits {
        // Not what is tested: on a busy machine the slow lane gets little time.
        wall: Duration::from_mins(1),
        cpu: Duration::from_millis(150),
        memory: 24 << 20,
        ..Limits::default()
    };
    Settings { limits, ..settings() }
}

/// The error of a handler with this code, after which another call is answered.
async fn fails(settings: Settings, code: &str) -> Error {
    let world = World::with(settings);
    let error = world.run(&format!("h: async (req, ctx) => {{ {code} }}"), "h", json!({})).await.unwrap_err();
    let kept = usize::from(matches!(error, Error::Threw(_) | Error::Answer(_) | Error::OutputTooLarge(_)));
    assert!(world.sandbox.warm().0 <= kept, "what may be broken is thrown away: {code}");
    assert_eq!(world.body("h: () => 'well'.length", json!({})).await, 4);
    error
}

#[tokio::test]
async fn computing_without_end_meets_the_deadline() {
    for code in [
        "for (;;) {}",
        "const next = () => Promise.resolve().then(next); await next()",
        "await new Promise(() => { const again = () => queueMicrotask(again); again() })",
        "/(a+)+$/.test('a'.repeat(40) + 'b')",
        "for (;;) { try { for (;;) {} } catch {} finally { continue } }",
        "JSON.stringify(Array(3000).fill(Array(3000).fill(0)))",
    ] {
        let error = fails(small(), code).await;
        assert!(matches!(error, Error::CpuDeadline(_) | Error::Memory(_)), "{code}: {error:?}");
        assert!(matches!(error.code(), ErrorCode::PluginTimeout | ErrorCode::PluginFailed));
    }
    let error = fails(small(), "for (;;) {}").await;
    assert!(matches!(error, Error::CpuDeadline(_)), "{error:?}");
    assert_eq!(error.code(), ErrorCode::PluginTimeout);
}

#[tokio::test]
async fn waiting_without_end_meets_the_other_deadline() {
    for code in [
        "await new Promise((resolve) => setInterval(() => {}, 1))",
        "for (;;) await new Promise((resolve) => setTimeout(resolve, 100))",
        "for (;;) await ctx.http.get('https://a.test')",
    ] {
        let limits =
            Limits { wall: Duration::from_millis(800), cpu: Duration::from_mins(1), ..small().limits };
        let error = fails(Settings { limits, ..small() }, code).await;
        assert!(matches!(error, Error::WallDeadline(_)), "{code}: {error:?}");
        assert_eq!(error.code(), ErrorCode::PluginTimeout);
    }
}

#[tokio::test]
async fn a_promise_that_nothing_settles_is_told_at_once() {
    let error = fails(settings(), "await new Promise(() => {})").await;
    assert!(matches!(error, Error::NeverSettled), "{error:?}");
}

#[tokio::test]
async fn memory_is_bounded() {
    for code in [
        "const a = []; for (;;) a.push(new Array(1000).fill(1))",
        "return 'x'.repeat(2 ** 30 - 2).split('').length",
        "return new Uint8Array(2 ** 30)",
        "const a = []; for (;;) try { for (;;) a.push({}) } catch {}",
    ] {
        let error = fails(small(), code).await;
        assert!(matches!(error, Error::Memory(_) | Error::CpuDeadline(_)), "{code}: {error:?}");
    }
    let error = fails(small(), "let a = 'x'; for (;;) a += a").await;
    assert!(error.to_string().contains("string too long"), "{error:?}");
    let error = fails(small(), "return new Uint8Array(2 ** 30)").await;
    assert!(matches!(error, Error::Memory(_)), "{error:?}");
}

#[tokio::test]
async fn deep_recursion_is_told_as_such() {
    for code in
        ["const f = () => f() + 1; f()", "let a = []; for (let i = 0; i < 1e5; i++) a = [a]; return a"]
    {
        let error = fails(settings(), code).await;
        let text = error.to_string().to_lowercase();
        assert!(text.contains("stack") || text.contains("recursion"), "{code}: {error:?}");
    }
}

#[tokio::test]
async fn output_is_bounded() {
    let error = fails(settings(), "return 'x'.repeat(2 ** 20)").await;
    assert!(matches!(error, Error::OutputTooLarge(_)), "{error:?}");
    let error = fails(settings(), "return { status: 200, headers: { a: 'x'.repeat(2 ** 20) } }").await;
    assert!(matches!(error, Error::OutputTooLarge(_)), "{error:?}");
}

#[tokio::test]
async fn the_host_is_asked_for_and_gives_so_much_at_once() {
    let world = World::new();
    let code = "h: async (req, ctx) => { const said = async (f) => { try { await f(); return 'done' } catch (e) { return e.message } };
        return [await said(() => ctx.storage.set('a', 'x'.repeat(8 << 20)))] }";
    let told = world.body(code, json!({})).await;
    assert!(told[0].as_str().unwrap().contains("hand over less"), "{told}");
}

#[tokio::test]
async fn the_log_is_bounded() {
    let world = World::with(Settings { limits: Limits { log_lines: 3, ..Limits::default() }, ..settings() });
    let code =
        "h: () => { console.log('é'.repeat(9000)); for (let i = 0; i < 100; i++) console.log(i); return 1 }";
    world.body(code, json!({})).await;
    let log = world.host.log();
    assert_eq!(log.len(), 4, "{log:?}");
    assert!(log[0].len() < 8 * 1024 + 20);
    assert!(log[3].starts_with("Warn: the call logged more than 3 lines"), "{log:?}");
}

/// The host's interface, which a script can import past the prelude.
const IMPORTED: &str = "const raw = await import('jackfield:sandbox/host@1.0.0');";

#[tokio::test]
async fn calls_past_the_prelude_meet_the_same_bounds() {
    for (code, expected) in [
        (
            "const all = Array.from({ length: 40 }, () => raw.call('http.request', '{}').read()); const r = await Promise.all(all); return r.filter((x) => x.tag === 'err').length",
            24,
        ),
        (
            "const all = Array.from({ length: 300 }, () => raw.sleep(5).read()); const r = await Promise.all(all); return r.filter((x) => x.tag === 'err').length",
            44,
        ),
        ("return (await raw.call('storage.get', 'no json').read()).tag === 'err' ? 1 : 0", 1),
        ("return raw.randomBytes(1e6).length", 65536),
        ("return (await raw.call('panic', '{}').read()).val.length > 0 ? 1 : 0", 1),
        ("return (await raw.call('large', '{}').read()).tag === 'err' ? 1 : 0", 1),
    ] {
        let world = World::new();
        let told =
            world.run(&format!("h: async (req, ctx) => {{ {IMPORTED} {code} }}"), "h", json!({})).await;
        assert_eq!(told.unwrap()["body"]["json"], expected, "{code}");
    }
}

#[tokio::test]
async fn what_is_wrong_for_an_import_ends_in_an_error() {
    for (code, expected) in [
        ("for (;;) raw.call('storage.get', '{}')", "very many host calls"),
        ("raw.log({}, Symbol('a')); return 1", "of another type"),
        ("raw.call(1n, undefined); return 1", "of another type"),
        ("raw.sleep('x'); return 1", "of another type"),
        ("raw.log('info', 'x'.repeat(2 ** 24)); return 1", "hand over less"),
    ] {
        let world = World::new();
        let told =
            world.run(&format!("h: async (req, ctx) => {{ {IMPORTED} {code} }}"), "h", json!({})).await;
        let error = told.unwrap_err();
        assert!(error.to_string().contains(expected), "{code}: {error:?}");
        assert_eq!(error.code(), ErrorCode::PluginFailed);
        assert_eq!(world.body("h: () => 'well'.length", json!({})).await, 4, "{code}");
    }
}

#[tokio::test]
async fn ctx_and_the_values_in_it_cannot_be_changed_for_the_next_call() {
    let world = World::new();
    let handlers = "bad: (req, ctx) => { 'use strict'; const errors = [];
            for (const f of [() => { ctx.tenantId = 'x' }, () => { ctx.storage.get = 1 }, () => { ctx.config.a.b = 2 }, () => { delete ctx.http },
                () => { Object.setPrototypeOf(ctx, {}) }, () => { ctx.new = 1 }, () => { Object.defineProperty(ctx.storage, 'x', { value: 1 }) }])
                try { f() } catch (e) { errors.push(e.name) }
            return errors.length },
        h: async (req, ctx) => { await ctx.storage.set('k', 1); return [ctx.tenantId, ctx.config.a.b, await ctx.storage.get('k'), Object.isFrozen(ctx)] }";
    let script = script(handlers);
    let bad = world.run_as(&owner("a"), &script, "bad", json!({})).await.unwrap();
    assert_eq!(bad["body"]["json"], 7);
    let told = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    assert_eq!(told["body"]["json"], json!(["acme", 1, 1, true]), "{told}");
}

/// Changes of the language that a call makes before it uses `ctx`, and whether it must be answered: else it may break its own
/// call, but answers nothing wrong, and the next call does not notice.
const CHANGES: [(&str, bool); 17] = [
    ("Object.prototype.status = 418; Object.prototype.open = true", true),
    ("JSON.parse = null", true),
    ("JSON.stringify = () => 'x'", true),
    ("Array.prototype.map = null", true),
    ("String.prototype.toWellFormed = () => '!'", true),
    ("Map.prototype.get = null; Set.prototype.add = null", true),
    ("Reflect.apply = null", true),
    ("delete globalThis.console", true),
    ("Object.freeze = (x) => x", true),
    ("globalThis.String = null", false),
    ("globalThis.Uint8Array = null", false),
    ("Promise.prototype.then = null", false),
    ("Array.prototype.push = null", false),
    ("Array.prototype[Symbol.iterator] = null", false),
    ("Function.prototype.call = null", false),
    ("Function.prototype.apply = null", false),
    ("Object.prototype.toJSON = () => 'x'", false),
];

#[tokio::test]
async fn a_language_that_a_call_has_changed_decides_nothing() {
    let world = World::new();
    for (code, must_be_answered) in CHANGES {
        let used = "await ctx.storage.set('k', 1); return [ctx.tenantId, ctx.config.a.b, await ctx.storage.get('k'), Object.isFrozen(ctx)]";
        let script = script(&format!(
            "change: async (req, ctx) => {{ {code}; {used} }}, h: async (req, ctx) => {{ {used} }}"
        ));
        let right = json!(["acme", 1, 1, true]);
        match world.run_as(&owner("a"), &script, "change", json!({})).await {
            Ok(told) if must_be_answered => assert_eq!(told["body"]["json"], right, "{code}"),
            Ok(_) | Err(Error::BrokeOff(_) | Error::Threw(_) | Error::NeverSettled) if !must_be_answered => {}
            other => panic!("{code}: {other:?}"),
        }
        let told = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
        assert_eq!(told["body"]["json"], right, "{code}");
    }
}

#[tokio::test]
async fn what_one_request_does_to_all_objects_the_next_does_not_find() {
    for code in [
        "Object.prototype.polluted = 1",
        "Object.prototype.toString = () => 'x'",
        "Array.prototype[Symbol.iterator] = null",
        "Object.defineProperty(Promise.prototype, 'then', { get() { throw 1 } })",
        "delete String.prototype.trim",
        "Object.prototype.polluted = 1; throw new Error('and fails')",
    ] {
        let world = World::new();
        let script = script(&format!("bad: () => {{ {code}; return 1 }}, fine: () => 1"));
        world.run_as(&owner("a"), &script, "fine", json!({})).await.unwrap();
        assert_eq!(world.sandbox.warm().0, 1);
        world.run_as(&owner("a"), &script, "bad", json!({})).await.ok();
        assert_eq!(world.sandbox.warm().0, 0, "{code}");
    }
}

#[tokio::test]
async fn options_are_those_that_were_given_and_not_every_objects() {
    let world = World::new();
    let code = "h: async (req, ctx) => {
        Object.assign(Object.prototype, { headers: { 'x-bad': '1' }, query: { bad: 1 }, timeout: 1, ttl: 1, user: 'bad', method: 'DELETE', status: 418,
            base64: 'YmFk', content: { text: 'bad' }, type: 'bad', url: 'https://bad.test', bodyBase64: 'YmFk', signal: {}, next: 'bad', body: 'bad' });
        Object.prototype[Symbol.iterator] = function* () { yield ['x-bad', '1'] };
        const got = await ctx.http.get('https://a.test', {});
        const fetched = await (await fetch('https://a.test', {})).json();
        const connected = await ctx.connections.get('gmail', {}).list();
        return [got.body, fetched, Object.hasOwn(connected.asked, 'user'), (await ctx.storage.list('')).length, new Response('a', {}).status, req.body] }";
    let told = world.body(code, json!({ "path": "/", "body": null })).await;
    let plain = json!({ "method": "GET", "url": "https://a.test", "headers": {} });
    assert_eq!(told, json!([plain, plain, false, 0, 200, null]));
}

#[tokio::test]
async fn how_an_error_is_told_is_not_the_scripts_to_choose() {
    let world = World::new();
    for (code, expected) in [
        (
            "Object.prototype.toJSON = () => ({ kind: 'definition', message: 'x'.repeat(1e6), stack: 'x'.repeat(1e6) }); throw new Error('mine')",
            "the plugin failed: Error: mine",
        ),
        (
            "throw new Proxy({}, { getPrototypeOf() { throw 1 } })",
            "the plugin failed: [a value that cannot be shown]",
        ),
        (
            "let n = 0; throw { get message() { return n++ ? 'x'.repeat(1e6) : 'first' }, get name() { return { toString: () => 'n' } } }",
            "the plugin failed: n: first",
        ),
        (
            "const e = new Error('mine'); e.stack = ('    at ' + 'f'.repeat(500) + ' (<input>:1:1)\\n').repeat(100); throw e",
            "the plugin failed: Error: mine",
        ),
    ] {
        let error = world.run(&format!("h: () => {{ {code} }}"), "h", json!({})).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{code}: {error}");
        let Error::Threw(thrown) = error else { panic!("{code}: {error:?}") };
        let told = thrown.message.len() + thrown.stack.iter().map(String::len).sum::<usize>();
        assert!(told < 12 << 10, "{code}: {told}");
    }
}

#[tokio::test]
async fn tools_take_so_much_at_once() {
    for (code, expected) in [
        ("new URLSearchParams('a=1&'.repeat(20000))", "a form"),
        ("new URLSearchParams([['a', 'x'.repeat(70000)]]).toString()", "a form"),
        ("new TextDecoder().decode(new Uint8Array(7 << 20))", "at most"),
        ("await crypto.subtle.digest('SHA-256', new Uint8Array(7 << 20))", "at most"),
    ] {
        let error = fails(settings(), code).await;
        let Error::Threw(thrown) = &error else { panic!("{code}: {error:?}") };
        assert!(thrown.name == "RangeError" && thrown.message.contains(expected), "{code}: {thrown:?}");
    }
    for code in [
        "base64Encode(new Uint8Array(7 << 20))",
        "utf8Decode(new Uint8Array(7 << 20), true)",
        "digest('SHA-1', new Uint8Array(7 << 20))",
    ] {
        let code = format!("const raw = await import('jackfield:sandbox/tools@1.0.0'); raw.{code}; return 1");
        let error = fails(settings(), &code).await;
        assert!(matches!(error, Error::MessageTooLarge(_)), "{code}: {error:?}");
    }
}

#[tokio::test]
async fn numbers_that_are_none_are_refused() {
    let world = World::new();
    for code in [
        "ctx.storage.increment('a', NaN)",
        "ctx.storage.increment('a', 'many')",
        "ctx.storage.increment('a', null)",
        "ctx.storage.set('a', 1, { ttl: NaN })",
        "ctx.storage.set('a', 1, { ttl: Infinity })",
        "ctx.storage.set('a', 1, { ttl: '5' })",
    ] {
        let error = world.run(&format!("h: async (req, ctx) => {code}"), "h", json!({})).await.unwrap_err();
        let Error::Threw(thrown) = &error else { panic!("{code}: {error:?}") };
        assert_eq!(thrown.name, "RangeError", "{code}");
    }
    let code = "h: async (req, ctx) => { await ctx.storage.set('a', 1, { ttl: undefined }); return ctx.storage.increment('a') }";
    assert_eq!(world.body(code, json!({})).await, 2);
}

#[tokio::test]
async fn a_ctx_that_was_kept_is_of_no_use_to_the_next_call() {
    let world = World::new();
    let script = script(
        "keep: (req, ctx) => { globalThis.kept = ctx; return 1 }, h: async () => { try { return await globalThis.kept.storage.get('a') } catch (e) { return e.message } }",
    );
    world.run_as(&owner("a"), &script, "keep", json!({})).await.unwrap();
    let told = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap();
    assert!(told["body"]["text"].as_str().unwrap().contains("of a call that has ended"), "{told}");
}

#[tokio::test]
async fn what_is_thrown_is_told_whatever_it_is() {
    let world = World::new();
    for (code, expected) in [
        ("throw 'text'", "the plugin failed: text"),
        ("throw null", "the plugin failed: null"),
        ("throw { a: 1 }", "the plugin failed: {\"a\":1}"),
        ("throw { get message() { throw 1 }, get stack() { throw 1 } }", "the plugin failed: Error"),
        (
            "throw new Proxy({}, { has() { throw 1 }, get() { throw 1 }, ownKeys() { throw 1 } })",
            "the plugin failed: [a value that cannot be shown]",
        ),
        (
            "throw Object.assign(new Error('m'.repeat(9000)), { name: 'n'.repeat(9000) })",
            "the plugin failed: nnn",
        ),
    ] {
        let error = world.run(&format!("h: () => {{ {code} }}"), "h", json!({})).await.unwrap_err();
        assert!(error.to_string().starts_with(expected), "{code}: {error}");
        assert!(error.to_string().len() < 3_000, "{code}");
        assert_eq!(error.code(), ErrorCode::PluginFailed);
    }
}

#[tokio::test]
async fn a_script_that_computes_while_it_loads_meets_the_deadline() {
    let world = World::with(small());
    let script = bare("for (;;) {} var __plugin = {}");
    let error = world.run_as(&owner("a"), &script, "h", json!({})).await.unwrap_err();
    assert!(matches!(error, Error::CpuDeadline(_)), "{error:?}");
}

#[tokio::test]
async fn a_thousand_calls_of_one_owner_do_not_keep_another_from_being_answered() {
    let world = Arc::new(World::new());
    let slow = script("h: async (req, ctx) => (await ctx.http.get('https://a.test')).status");
    let flood: Vec<_> = (0..1_000)
        .map(|_| {
            let (world, slow) = (Arc::clone(&world), slow.clone());
            tokio::spawn(async move { world.run_as(&owner("flood"), &slow, "h", json!({})).await })
        })
        .collect();
    let quick = script("h: () => 1");
    for _ in 0..20 {
        world.run_as(&owner("quiet"), &quick, "h", json!({})).await.unwrap();
    }
    let (mut answered, mut busy) = (0, 0);
    for call in flood {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(Error::Busy(after)) if after > Duration::ZERO => busy += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(answered + busy, 1_000);
    assert!(answered >= 64 && busy >= 900 - 64, "{answered} answered, {busy} refused");
}

#[tokio::test]
async fn an_owner_whose_calls_keep_using_up_their_limits_is_left_alone() {
    // However long the calls take on a busy machine, they are close enough to each other.
    let rest = Rest { within: Duration::from_hours(1), ..Rest::default() };
    let world = World::with(Settings { rest, ..small() });
    let bad = script("h: () => { for (;;) {} }, good: () => 1");
    for _ in 0..5 {
        let error = world.run_as(&owner("bad"), &bad, "h", json!({})).await.unwrap_err();
        assert!(matches!(error, Error::CpuDeadline(_)), "{error:?}");
    }
    let error = world.run_as(&owner("bad"), &bad, "good", json!({})).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::PluginUnavailable);
    assert!(error.retry_after(model::Timestamp::from_millisecond(0)).unwrap() > Duration::from_secs(5));
    world.run_as(&owner("other"), &bad, "good", json!({})).await.unwrap();
}
