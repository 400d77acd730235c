//! Who may call, what the plugin's server is told of them, and what it is not.

use model::Role;
use reqwest::Method;
use reqwest::redirect::Policy;
use serde_json::json;
use testkit::{Backend, SECRET, TokenBuilder, token_samples, verified_token};

use super::{PROXY, ann, ann_token, start};
use crate::deployment::{
    ADMIN, Answer, Deployment, PLATFORM, USER, manifest, on_both_backends, plugin, with,
};

on_both_backends!(
    a_plugins_server_answers_those_who_may_call_it,
    the_caller_is_told_by_a_token_and_by_nothing_else,
    another_sites_page_calls_nothing,
    answers_come_as_they_are_and_act_on_nothing_here,
    a_handler_answers_by_its_route,
);

async fn a_plugins_server_answers_those_who_may_call_it(backend: Backend) {
    let (deployment, upstream) = start(backend, |builder| builder).await;
    for (path, line) in [
        ("", "GET /base"),
        ("/", "GET /base/"),
        ("/a%20b/c;v=1/?q=%2F&q=2", "GET /base/a%20b/c;v=1/?q=%2F&q=2"),
    ] {
        let answer = Answer::of(ann(&deployment, Method::GET, path)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "ok"), "{path}");
        assert_eq!(upstream.lines(), [line]);
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = Answer::of(ann(&deployment, method.clone(), "/echo").body("hello")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "hello"), "{method}");
    }
    upstream.asked();
    deployment.get(&format!("{PROXY}/x")).await.problem("authentication_required");
    deployment.get_as(("other", Role::Owner), &format!("{PROXY}/x")).await.problem("not_found");
    let named = deployment.request_as("other", Role::Owner, Method::GET, &format!("{PROXY}/x"));
    Answer::of(named.header("x-tenant-id", "acme")).await.problem("tenant_mismatch");
    deployment.get_as(USER, "/api/plugin-proxy/nothing/x").await.problem("not_found");
    deployment.get_as(USER, "/api/plugin-proxy/no%74es/x").await.problem("not_found");
    deployment.put(ADMIN, "/plugins/notes/status", &json!({"enabled": false})).await.expect(200);
    let off = deployment.get_as(USER, &format!("{PROXY}/x")).await;
    off.problem("plugin_disabled");
    assert_eq!(off.status, 403);
    deployment.put(ADMIN, "/plugins/notes/status", &json!({"enabled": true})).await.expect(200);
    assert!(upstream.asked().is_empty());
    deployment.get_as(USER, &format!("{PROXY}/x")).await;
    assert_eq!(upstream.lines(), ["GET /base/x"]);
    deployment.post(ADMIN, "/plugins/uninstall", &json!({"pluginId": "notes"})).await.expect(200);
    deployment.get_as(USER, &format!("{PROXY}/x")).await.problem("not_found");
    deployment.post(PLATFORM, "/plugins", &plugin("page", "1.0.0")).await.expect(201);
    deployment.install(ADMIN, "page").await;
    deployment.get_as(USER, "/api/plugin-proxy/page/x").await.problem("not_found");
    assert!(upstream.asked().is_empty());
}

/// Whatever proves who the caller is.
fn credentials() -> (String, String) {
    let samples =
        token_samples(&json!({"jwtSecret": SECRET, "nextauthSecret": SECRET, "authSecret": SECRET}));
    (ann_token(), samples.unwrap()["sessions"][0]["cookie"].as_str().unwrap().to_owned())
}

async fn the_caller_is_told_by_a_token_and_by_nothing_else(backend: Backend) {
    let (deployment, upstream) = start(backend, |builder| builder).await;
    let (token, cookie) = credentials();
    let key = deployment.post(ADMIN, "/api-keys", &json!({"name": "robot"})).await.expect(201);
    let key = key["secret"].as_str().unwrap();
    let request = |credential: &str| {
        let request = deployment
            .request(Method::GET, &format!("{PROXY}/x?session_token=canary&a=1&session%5Ftoken=canary"));
        let request = request.bearer_auth(credential).header("cookie", format!("{cookie}; other=canary"));
        let request = request.header("proxy-authorization", "Basic canary").header("x-tenant-id", "acme");
        let request = request.header("x-jackfield-context", "canary").header("x-jackfield-tenant", "canary");
        let request = request.header("x-forwarded-for", "6.6.6.6").header("forwarded", "for=6.6.6.6");
        request.header("referer", "https://shop.example/?session_token=canary")
    };
    for credential in [token.as_str(), key] {
        Answer::of(request(credential)).await.expect_text(200, "ok");
    }
    let asked = upstream.asked();
    let told = format!("{asked:?}");
    for canary in [&token, key, "canary", cookie.split_once('=').unwrap().1, "6.6.6.6"] {
        assert!(!told.contains(canary), "{canary}: {told}");
    }
    assert_eq!(asked[0].uri, "/base/x?a=1");
    let [first, second] = [0, 1].map(|number: usize| &asked[number].headers);
    let own = |name: &str| first[name].to_str().unwrap().to_owned();
    assert_eq!((own("x-forwarded-for").as_str(), own("x-forwarded-proto").as_str()), ("127.0.0.1", "http"));
    assert_eq!(format!("http://{}", own("x-forwarded-host")), deployment.base());
    assert_eq!(format!("http://{}", own("host")), upstream.url);
    assert!(!own("x-request-id").is_empty());

    let check = |token: &str, audience: &str| {
        verified_token(&json!({
            "token": token, "jwks": format!("{}/.well-known/jwks.json", deployment.base()), "typ": "jackfield-context+jwt",
            "issuer": deployment.base(), "audience": audience,
        }))
    };
    let claims = check(&own("x-jackfield-context"), "plugin:notes").unwrap();
    for (name, value) in [
        ("sub", "u-ann"),
        ("email", "ann@acme.example"),
        ("name", "Ann"),
        ("role", "user"),
        ("tenantId", "acme"),
        ("pluginId", "notes"),
    ] {
        assert_eq!(claims[name], value, "{claims}");
    }
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 60);
    assert!(check(&own("x-jackfield-context"), "plugin:other").is_err());
    let claims = check(second["x-jackfield-context"].to_str().unwrap(), "plugin:notes").unwrap();
    assert_eq!((claims.get("email"), &claims["role"]), (None, &json!("user")), "{claims}");
    let keys = deployment.get("/.well-known/jwks.json").await;
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    assert!(!keys.text.contains("\"d\""), "{}", keys.text);
    // What is signed for a plugin is no credential here.
    let replayed =
        deployment.request(Method::GET, &format!("{PROXY}/x")).bearer_auth(own("x-jackfield-context"));
    Answer::of(replayed).await.problem("invalid_credential");
    assert!(upstream.asked().is_empty());
}

async fn another_sites_page_calls_nothing(backend: Backend) {
    let (deployment, upstream) =
        start(backend, |builder| builder.set("ALLOWED_ORIGINS", "https://shop.example")).await;
    let (_, cookie) = credentials();
    let by_cookie = |name: &'static str, value: &str| {
        deployment.request(Method::GET, &format!("{PROXY}/x")).header("cookie", &cookie).header(name, value)
    };
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        Answer::of(by_cookie(name, value)).await.problem("origin_not_allowed");
    }
    assert!(upstream.asked().is_empty());
    let allowed = Answer::of(by_cookie("origin", "https://shop.example")).await;
    assert_eq!(allowed.headers["access-control-allow-origin"], "https://shop.example");
    allowed.expect_text(200, "ok");
    assert_eq!(upstream.lines(), ["GET /base/x"]);
    let preflight =
        deployment.request(Method::OPTIONS, &format!("{PROXY}/x")).header("origin", "https://shop.example");
    let preflight = preflight.header("access-control-request-method", "PUT");
    let preflight = Answer::of(preflight.header("access-control-request-headers", "authorization")).await;
    assert_eq!(preflight.headers["access-control-allow-origin"], "https://shop.example");
    assert!(upstream.asked().is_empty(), "a preflight is answered here");
}

async fn answers_come_as_they_are_and_act_on_nothing_here(backend: Backend) {
    let (deployment, _upstream) = start(backend, |builder| builder).await;
    let page = Answer::of(ann(&deployment, Method::GET, "/page")).await;
    assert_eq!((page.status, &page.headers["content-type"]), (201, &"text/html".parse().unwrap()));
    assert!(page.text.starts_with("<script>"), "{}", page.text);
    for (name, value) in [
        ("content-security-policy", "default-src 'none'; sandbox; frame-ancestors 'none'"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("x-frame-options", "DENY"),
    ] {
        assert_eq!(page.headers[name], value);
    }
    assert!(!page.headers.contains_key("set-cookie"));
    let client = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    for (path, place) in
        [("/moved", "/api/plugin-proxy/notes/there?x=1"), ("/away", "https://pay.example/checkout")]
    {
        let request = ann(&deployment, Method::GET, path).build().unwrap();
        let moved = client.execute(request).await.unwrap();
        assert_eq!((moved.status().as_u16(), moved.headers()["location"].to_str().unwrap()), (302, place));
    }
}

async fn a_handler_answers_by_its_route(backend: Backend) {
    let deployment = Deployment::start(backend);
    let server = "import { defineBackendPlugin } from '@jackfield/plugin-sdk/server';\n\
        export default defineBackendPlugin({ handlers: {\n\
          show: async (req) => ({ status: 201, body: req, headers: { 'x-own': '1', 'set-cookie': 'a=b', 'content-type': 'text/html' } }),\n\
          fail: async () => { throw new Error('no luck'); },\n\
        } });\n";
    let routes = json!([
        {"method": "POST", "path": "/notes/:id/*", "handler": "show"},
        {"method": "GET", "path": "/fail", "handler": "fail"},
    ]);
    let fields =
        json!({"files": {"server.ts": server}, "backend": {"entryPoint": "server.ts", "routes": routes}});
    deployment.post(PLATFORM, "/plugins", &with(manifest("notes", "1.0.0"), &fields)).await.expect(201);
    deployment.install(ADMIN, "notes").await;
    let post = |path: &str| ann(&deployment, Method::POST, path);
    let request = post("/notes/a%20b/c/d?x=1&x=2&y=3&session_token=canary").header("cookie", "a=canary");
    let answer = Answer::of(request.header("x-own", "2").json(&json!({"n": 1}))).await;
    assert_eq!((answer.status, answer.headers["x-own"].to_str().unwrap()), (201, "1"));
    assert!(answer.headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    assert!(!answer.headers.contains_key("set-cookie"));
    let told = answer.expect(201);
    assert_eq!(told["params"]["id"], "a b", "{told:#}");
    assert_eq!(told["query"], json!({"x": ["1", "2"], "y": "3"}));
    assert_eq!((&told["body"], &told["headers"]["x-own"]), (&json!({"n": 1}), &json!("2")));
    assert_eq!(told["user"]["id"], "u-ann");
    let text = told.to_string();
    assert!(!text.contains("canary") && !text.contains(&ann_token()), "{told:#}");
    Answer::of(post("/other").body("x")).await.problem("not_found");
    Answer::of(post("/fail").body("x")).await.problem("method_not_allowed");
    Answer::of(post("/notes/1/x").header("content-type", "application/json").body("{"))
        .await
        .problem("invalid_request");
    let large = post("/notes/1/x").body(vec![b'x'; 2 * 1024 * 1024]);
    Answer::of(large).await.problem("payload_too_large");
    let failed = Answer::of(ann(&deployment, Method::GET, "/fail")).await;
    assert_eq!(
        (failed.status, failed.problem("plugin_failed")["code"].as_str()),
        (502, Some("plugin_failed"))
    );
    let stranger = TokenBuilder::new().claim("tenantId", "other").claim("role", "owner").sign();
    let stranger = deployment.request(Method::POST, &format!("{PROXY}/notes/1/x")).bearer_auth(stranger);
    Answer::of(stranger).await.problem("not_found");
}
