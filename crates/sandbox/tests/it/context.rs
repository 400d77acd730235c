//! What handlers find in `req` and `ctx`.

use sandbox::{Invocation, Lifecycle, Target};
use serde_json::{Value, json};

use crate::world::{World, bare, invocation, owner, script};

async fn body(code: &str) -> Value {
    World::new().body(&format!("h: async (req, ctx) => {{ {code} }}"), json!({})).await
}

#[tokio::test]
async fn ctx_tells_what_the_host_says() {
    let told =
        body("return [ctx.tenantId, ctx.pluginId, ctx.version, ctx.config, Object.keys(ctx).sort()]").await;
    assert_eq!(told[0], "acme");
    assert_eq!(told[3], json!({ "a": { "b": 1 } }));
    let expected = [
        "config",
        "connections",
        "events",
        "http",
        "logger",
        "platform",
        "pluginId",
        "secrets",
        "storage",
        "tenantId",
        "version",
    ];
    assert_eq!(told[4], json!(expected));
}

#[tokio::test]
async fn storage_keeps_counts_and_lists_across_pages() {
    let code = "await ctx.storage.set('a', { x: [1] }); await ctx.storage.set('b', undefined); await ctx.storage.set('c', 1);
        return [await ctx.storage.get('a'), await ctx.storage.get('none'), await ctx.storage.increment('c', 2),
            await ctx.storage.list('')]";
    assert_eq!(body(code).await, json!([{ "x": [1] }, null, 3, ["a", "b", "c"]]));
}

#[tokio::test]
async fn http_is_asked_and_answered_as_documented() {
    let code = "const r = await ctx.http.post('https://a.test/x?q=1#f', { a: 1 },
            { headers: { 'X-Y': 2, none: undefined }, query: { b: 'ä', c: ['1', '2'] }, timeout: 50 });
        return [r.status, r.ok, r.body]";
    let told = body(code).await;
    assert_eq!(told[0], 201);
    assert_eq!(told[1], true);
    assert_eq!(
        told[2],
        json!({
            "method": "POST",
            "headers": { "x-y": "2", "content-type": "application/json" },
            "url": "https://a.test/x?q=1&b=%C3%A4&c=1&c=2#f",
            "body": { "text": "{\"a\":1}" },
            "timeout": 50,
        })
    );
}

#[tokio::test]
async fn fetch_asks_the_same() {
    let code = "const r = await fetch(new URL('/x', 'https://a.test'), { method: 'put', body: new Uint8Array([1]),
            headers: new Headers([['A', 'b']]) });
        const asked = await r.clone().json();
        return [r.status, r.ok, r.headers.get('Content-Type'), asked, (await r.arrayBuffer()).byteLength > 50, r.bodyUsed]";
    let told = body(code).await;
    assert_eq!(told[0], 201);
    assert_eq!(told[2], "application/json");
    assert_eq!(told[3]["method"], "PUT");
    assert_eq!(told[3]["url"], "https://a.test/x");
    assert_eq!(told[3]["body"], json!({ "base64": "AQ==" }));
    assert_eq!(told[3]["headers"], json!({ "a": "b", "content-type": "application/octet-stream" }));
    assert_eq!((&told[4], &told[5]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn events_connections_and_the_platform_are_asked() {
    let code = "const gmail = ctx.connections.get('gmail', { user: 'a@b.test' });
        return [(await ctx.events.emit('paid', { a: 1 })).asked, (await gmail.item('7')).asked,
            (await gmail.search('x', { max_results: 2 })).asked, (await ctx.platform.get('/orders', { query: { a: 1 } })).text]";
    assert_eq!(
        body(code).await,
        json!([
            { "type": "paid", "data": { "a": 1 } },
            { "connector": "gmail", "operation": "get", "user": "a@b.test", "arguments": { "id": "7" } },
            { "connector": "gmail", "operation": "search", "user": "a@b.test", "arguments": { "max_results": 2, "query": "x" } },
            "plain",
        ])
    );
}

#[tokio::test]
async fn what_the_host_refuses_is_an_error_with_its_sentence() {
    let code =
        "try { await ctx.secrets.get('a') } catch (error) { return [error instanceof Error, error.message] }";
    assert_eq!(body(code).await, json!([true, "there is no operation secrets.get"]));
}

#[tokio::test]
async fn host_calls_run_at_once_up_to_the_limit_and_the_others_wait() {
    let world = World::new();
    let code = "h: async (req, ctx) => (await Promise.all(Array.from({ length: 40 }, () => ctx.http.get('https://a.test')))).length";
    assert_eq!(world.body(code, json!({})).await, 40);
    assert_eq!(world.host.most.load(std::sync::atomic::Ordering::SeqCst), 16);
}

#[tokio::test]
async fn a_body_of_bytes_is_handed_over_as_bytes() {
    let handlers =
        "h: (req) => [req.body instanceof Uint8Array, [...req.body], 'bodyBase64' in req, req.params.id]";
    let request = json!({ "bodyBase64": "AQI=", "params": { "id": "7" } });
    assert_eq!(World::new().body(handlers, request).await, json!([true, [1, 2], false, "7"]));
}

#[tokio::test]
async fn lines_of_the_log_are_told_with_their_level() {
    let world = World::new();
    let code = "h: (req, ctx) => { const a = { x: 1n, f() {}, m: new Map([['k', new Set([1])]]) }; a.self = a;
        console.log('a', 1, a, [undefined, null]); console.error(new TypeError('no')); ctx.logger.warn('paid', { id: 7 });
        console.debug(Symbol('s'), { get bad() { throw 1 } }); return 1 }";
    world.body(code, json!({})).await;
    let log = world.host.log();
    assert_eq!(
        log[0],
        r#"Info: a 1 {"x":1n,"f":[Function f],"m":Map {"k" => Set {1}},"self":[Circular]} [undefined,null]"#
    );
    assert!(log[1].starts_with("Error: TypeError: no\n"), "{log:?}");
    assert_eq!(log[2], r#"Warn: paid {"id":7}"#);
    assert_eq!(log[3], "Debug: Symbol(s) [a value that cannot be shown]");
}

#[tokio::test]
async fn handlers_may_stand_anywhere_and_hooks_may_return_nothing() {
    let world = World::new();
    let source =
        "var __plugin = { default: { direct() { return this.x }, x: 7, handlers: { nothing: () => {} },
        onInstall: (ctx) => { ctx.logger.info('installed ' + ctx.pluginId) } } };";
    let script = bare(source);
    let told = world.run_as(&owner("a"), &script, "direct", json!({})).await.unwrap();
    assert_eq!(told["body"]["json"], 7);
    let lifecycle = Target::Lifecycle(Lifecycle::Install);
    for (target, expected) in [(Target::Hook("nothing".into()), "null"), (lifecycle, "null")] {
        let call = Invocation { target, ..invocation("", &json!({ "type": "paid" })) };
        let answer = world.sandbox.call(&owner("a"), &script, world.host.clone(), call).await.unwrap();
        assert_eq!(answer.json, expected);
    }
    assert_eq!(world.host.log(), ["Info: installed p"]);
}

#[tokio::test]
async fn a_name_that_is_no_handler_is_told_with_those_that_are() {
    let world = World::new();
    for name in ["other", "constructor", "toString", "__proto__", "onInstall", "handlers"] {
        let error =
            world.run_as(&owner("a"), &script("h: () => 1, k() {}"), name, json!({})).await.unwrap_err();
        assert_eq!(error.to_string(), format!("there is no handler \"{name}\"; there are: h, k"));
    }
}
