//! The globals that scripts find. Each entry is an expression and its value as JSON.

use serde_json::{Value, json};

use crate::world::World;

async fn check(cases: &[(&str, Value)]) {
    let world = World::new();
    for (expression, expected) in cases {
        let told = world.body(&format!("h: async () => ({expression})"), json!({})).await;
        assert_eq!(told, *expected, "{expression}");
    }
}

#[tokio::test]
async fn urls() {
    check(&[
        ("new URL('../b?c=d e#f', 'https://u:p@Ä.test:8443/a/x').href", json!("https://u:p@xn--4ca.test:8443/b?c=d%20e#f")),
        ("(() => { const u = new URL('http://a.test/'); u.searchParams.append('k', 'a b&'); u.port = '81'; u.hash = 'x'; return u.toString() })()",
            json!("http://a.test:81/?k=a+b%26#x")),
        ("(() => { const u = new URL('http://a.test/?a=1'); u.search = '?b=2'; return [u.searchParams.get('a'), u.searchParams.get('b'), JSON.stringify(u)] })()",
            json!([null, "2", "\"http://a.test/?b=2\""])),
        ("[URL.canParse('x'), URL.canParse('x', 'http://a.test'), URL.parse('::'), typeof URL.put]", json!([false, true, null, "undefined"])),
        ("(() => { try { new URL('\\ud800') } catch (e) { return [e.name, e instanceof TypeError] } })()", json!(["TypeError", true])),
        ("(() => { const p = new URLSearchParams({ b: '1', a: '2' }); p.append('b', '3'); p.sort(); p.delete('b', '1'); return [p.toString(), [...p], p.size, p.has('b', '3')] })()",
            json!(["a=2&b=3", [["a", "2"], ["b", "3"]], 2, true])),
        ("(() => { const p = new URLSearchParams('?a=1&a=2&c=%C3%A4+x'); p.set('a', '9'); return [p.getAll('a'), p.get('c')] })()",
            json!([["9"], "ä x"])),
    ])
    .await;
}

#[tokio::test]
async fn text_and_bytes() {
    check(&[
        ("[...new TextEncoder().encode('€\\ud800')]", json!([226, 130, 172, 239, 191, 189])),
        ("new TextEncoder().encodeInto('a€', new Uint8Array(3))", json!({ "read": 1, "written": 1 })),
        ("new TextDecoder().decode(new Uint8Array([239, 187, 191, 97, 255]))", json!("a\u{fffd}")),
        ("new TextDecoder('utf8', { ignoreBOM: true }).decode(new Uint8Array([239, 187, 191, 97]))", json!("\u{feff}a")),
        ("(() => { const d = new TextDecoder(); return [d.decode(new Uint8Array([226, 130]), { stream: true }), d.decode(new Uint8Array([172]))] })()",
            json!(["", "€"])),
        ("(() => { try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])) } catch (e) { return e.name } })()", json!("TypeError")),
        ("(() => { try { new TextDecoder('latin1') } catch (e) { return e.name } })()", json!("RangeError")),
        ("[btoa('a\\u00ff'), atob(' Yf8= ').charCodeAt(1)]", json!(["Yf8=", 255])),
        ("[(() => { try { btoa('€') } catch (e) { return e.name } })(), (() => { try { atob('*') } catch (e) { return e.name } })()]",
            json!(["InvalidCharacterError", "InvalidCharacterError"])),
    ])
    .await;
}

#[tokio::test]
async fn clones() {
    check(&[
        ("(() => { const a = { d: new Date(5), r: /x/gi, m: new Map([[1, { y: 2 }]]), s: new Set([1]), b: new Uint8Array([1, 2]).subarray(1) };
            a.self = a; const c = structuredClone(a); a.b[0] = 9;
            return [c.self === c, c !== a, +c.d, String(c.r), c.m.get(1).y, c.s.has(1), c.b[0], c.b.byteOffset] })()",
            json!([true, true, 5, "/x/gi", 2, true, 2, 1])),
        ("(() => { const e = structuredClone(new RangeError('no', { cause: 1 })); return [e instanceof RangeError, e.message, e.cause] })()",
            json!([true, "no", 1])),
        ("(() => { const a = structuredClone(JSON.parse('{\"__proto__\": {\"x\": 1}}')); return [a.x === undefined, Object.keys(a)] })()", json!([true, ["__proto__"]])),
        ("(() => { try { structuredClone({ f() {} }) } catch (e) { return [e.name, e instanceof DOMException] } })()", json!(["DataCloneError", true])),
    ])
    .await;
}

#[tokio::test]
async fn cryptography() {
    let hex =
        "const hex = (b) => [...new Uint8Array(b)].map((x) => x.toString(16).padStart(2, '0')).join('')";
    let world = World::new();
    let code = format!(
        "h: async () => {{ {hex}; const bytes = (s) => new TextEncoder().encode(s);
        const key = await crypto.subtle.importKey('raw', bytes('Jefe'), {{ name: 'HMAC', hash: 'SHA-256' }}, false, ['sign', 'verify']);
        const data = bytes('what do ya want for nothing?');
        const signature = await crypto.subtle.sign('HMAC', key, data);
        let refused; try {{ await crypto.subtle.exportKey('raw', key) }} catch (e) {{ refused = e.name }}
        let unknown; try {{ await crypto.subtle.digest('MD5', data) }} catch (e) {{ unknown = e.name }}
        return [hex(await crypto.subtle.digest('SHA-1', bytes('abc'))), hex(signature), await crypto.subtle.verify('HMAC', key, signature, data),
            await crypto.subtle.verify('HMAC', key, signature.slice(1), data), refused, unknown,
            /^[0-9a-f]{{8}}-[0-9a-f]{{4}}-4[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}$/.test(crypto.randomUUID()),
            crypto.getRandomValues(new Uint32Array(4)).some((x) => x > 0), Math.random() >= 0 && Math.random() < 1] }}"
    );
    assert_eq!(
        world.body(&code, json!({})).await,
        json!([
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            true,
            false,
            "InvalidAccessError",
            "NotSupportedError",
            true,
            true,
            true,
        ])
    );
    let random = "h: () => Math.random()";
    assert_ne!(
        World::new().body(random, json!({})).await,
        World::new().body(random, json!({})).await,
        "instances draw numbers of their own"
    );
}

#[tokio::test]
async fn timers_and_signals() {
    check(&[
        ("new Promise((resolve) => setTimeout(resolve, 5, 'late'))", json!("late")),
        ("new Promise((resolve) => { let n = 0; const id = setInterval(() => { if (++n === 3) { clearInterval(id); resolve(n) } }, 1) })", json!(3)),
        ("(async () => { let is = false; clearTimeout(setTimeout(() => { is = true }, 1)); await new Promise((r) => setTimeout(r, 20)); return is })()", json!(false)),
        ("new Promise((resolve) => queueMicrotask(() => resolve([performance.now() >= 0 && performance.now() < 60000, Math.abs(performance.timeOrigin + performance.now() - Date.now()) < 60000])))", json!([true, true])),
        ("fetch('https://a.test', { signal: AbortSignal.timeout(2) }).catch((e) => [e.name, e instanceof DOMException])", json!(["TimeoutError", true])),
        ("(async () => { const c = new AbortController(); c.signal.onabort = (e) => { c.seen = e.type }; const f = fetch('https://a.test', { signal: c.signal }); c.abort(new Error('mine')); return [await f.catch((e) => e.message), c.seen, c.signal.aborted] })()",
            json!(["mine", "abort", true])),
        ("(() => { const s = AbortSignal.any([AbortSignal.abort('a')]); try { s.throwIfAborted() } catch (e) { return e } })()", json!("a")),
        ("(() => { try { setTimeout('code') } catch (e) { return e.name } })()", json!("TypeError")),
    ])
    .await;
}
