//! Requests to other servers: only where it was consented to, with secrets that the plugin never sees.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use runtime::Settings;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::bench::{Bench, Call, plugin, with_host};
use crate::place::Place;

/// What a vendor has received: the URI and all headers, a line each.
type Seen = Arc<Mutex<Vec<String>>>;

struct Vendor {
    port: u16,
    seen: Seen,
}

impl Vendor {
    /// A server that repeats what it is asked, and sends on to what stands in `to`.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Seen::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, seen }
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

async fn answer(State(seen): State<Seen>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 8 << 20).await.unwrap();
    let mut told = format!("{} {}\n", parts.method, parts.uri);
    for (name, value) in &parts.headers {
        writeln!(told, "{name}: {}", String::from_utf8_lossy(value.as_bytes())).unwrap();
    }
    told += &String::from_utf8_lossy(&body);
    seen.lock().unwrap().push(told.clone());
    let to = parts.uri.query().and_then(|query| {
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| name == "to")
            .map(|(_, to)| to.into_owned())
    });
    match (parts.uri.path(), to) {
        (_, Some(to)) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        ("/large", _) => vec![b'x'; (4 << 20) + 1].into_response(),
        ("/coded", _) => ([(header::CONTENT_ENCODING, "gzip")], told).into_response(),
        ("/bytes", _) => [&b"\xff"[..], told.as_bytes()].concat().into_response(),
        ("/slow", _) => {
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            told.into_response()
        }
        _ => ([("x-echo", told.replace('\n', ";"))], told).into_response(),
    }
}

async fn bench() -> Bench {
    Bench::with(Place::sqlite(), "127.0.0.1,localhost", Settings::default()).await
}

async fn get(call: &Call, url: &str) -> Result<Value, String> {
    call.ask("http.request", json!({"method": "GET", "url": url})).await
}

#[tokio::test]
async fn a_secret_is_put_in_at_the_door_and_never_comes_back() {
    let (bench, vendor) = (bench().await, Vendor::start().await);
    bench.set_secret("key", "sk_live_12345");
    let headers = [("Authorization", "Bearer ${key}"), ("x-plain", "fixed")];
    let call =
        bench.call(with_host(plugin("acme", "shop"), &vendor.host(), &headers, &[("api_key", "${key}")]));
    for path in ["/charge?n=1", "/bytes"] {
        let argument = json!({"method": "POST", "url": vendor.url(path), "body": {"text": "amount=7"}, "headers": {"x-own": "1"}});
        let answer = call.ask("http.request", argument).await.unwrap();
        assert_eq!(answer["status"], 200);
        assert!(!answer.to_string().contains("sk_live"), "{answer}");
        if let Some(bytes) = answer["body"]["base64"].as_str() {
            use base64::Engine as _;
            let bytes = base64::engine::general_purpose::STANDARD.decode(bytes).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains("sk_live"));
        }
        let [seen] = vendor.seen().try_into().unwrap();
        for part in [
            "authorization: Bearer sk_live_12345",
            "x-plain: fixed",
            "api_key=sk_live_12345",
            "x-own: 1",
            "amount=7",
        ] {
            assert!(seen.contains(part), "{part}: {seen}");
        }
        assert!(seen.contains("user-agent: jackfield/") && !seen.contains("accept-encoding"), "{seen}");
    }
    let error = get(&call, &vendor.url("/coded")).await.unwrap_err();
    assert!(error.contains("cannot be searched for secrets"), "{error}");
    let error = get(&call, &vendor.url("/?api_key=own")).await.unwrap_err();
    assert!(error.contains("api_key is set by the manifest"), "{error}");
    for name in [
        "authorization",
        "AUTHORIZATION",
        "X-Plain",
        "host",
        "range",
        "accept-encoding",
        "X-Jackfield-Context",
    ] {
        let argument = json!({"method": "GET", "url": vendor.url("/"), "headers": {name: "x"}});
        let error = call.ask("http.request", argument).await.unwrap_err();
        assert!(error.contains("is not set by plugins"), "{error}");
    }
}

#[tokio::test]
async fn a_secret_that_is_not_set_is_told() {
    let (bench, vendor) = (bench().await, Vendor::start().await);
    let call = bench.call(with_host(plugin("acme", "shop"), &vendor.host(), &[("x-key", "${key}")], &[]));
    let error = get(&call, &vendor.url("/")).await.unwrap_err();
    assert!(error.contains("the secret key that requests to"), "{error}");
    bench.set_secret("key", "a\r\nx-other: b");
    let error = get(
        &bench.call(with_host(plugin("acme", "shop"), &vendor.host(), &[("x-key", "${key}")], &[])),
        &vendor.url("/"),
    )
    .await;
    assert!(error.unwrap_err().contains("is no header"));
    assert_eq!(vendor.seen().len(), 0);
}

#[tokio::test]
async fn redirects_go_only_where_it_was_consented_to_and_take_no_secret_along() {
    let (bench, first, second, third) =
        (bench().await, Vendor::start().await, Vendor::start().await, Vendor::start().await);
    bench.set_secret("key", "sk_live_12345");
    bench.set_secret("other", "sk_other_678");
    let shop = with_host(plugin("acme", "shop"), &first.host(), &[("x-key", "${key}")], &[]);
    let shop = with_host(shop, &second.host(), &[("x-other", "${other}")], &[]);
    let call = bench.call(shop);
    let to = |url: &str| {
        let query: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("to", url).finish();
        first.url(&format!("/?{query}"))
    };
    let answer = get(&call, &to(&second.url("/landed"))).await.unwrap();
    assert!(answer["url"].as_str().unwrap().ends_with("/landed"), "{answer}");
    let [seen] = second.seen().try_into().unwrap();
    assert!(!seen.contains("sk_live") && !seen.contains("sk_other"), "{seen}");
    assert!(first.seen()[0].contains("x-key: sk_live_12345"));
    let answer = get(&call, &to("/same")).await.unwrap();
    assert_eq!(answer["status"], 200);
    assert!(first.seen()[1].contains("x-key: sk_live_12345"), "the same origin is the same rule's");
    for url in [
        third.url("/"),
        "http://localhost:1/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::ffff:169.254.169.254]/".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://user:password@127.0.0.1/".to_owned(),
    ] {
        let error = get(&call, &to(&url)).await.unwrap_err();
        assert!(!error.contains("sk_live"), "{error}");
    }
    assert_eq!(third.seen().len(), 0);
    let loops =
        call.ask("http.request", json!({"method": "GET", "url": first.url("/?to=%3Fto%3D%253F")})).await;
    assert!(loops.is_err() || loops.unwrap()["status"] == 200);
}

#[tokio::test]
async fn no_host_is_reached_that_the_manifest_does_not_name() {
    let (bench, vendor) = (bench().await, Vendor::start().await);
    let call = bench.call(plugin("acme", "shop"));
    let error = get(&call, "https://api.stripe.com/v1").await.unwrap_err();
    assert_eq!(
        error,
        "the plugin may not call api.stripe.com: add \"api.stripe.com\" to hosts in the manifest, and have an admin consent \
         to it"
    );
    let error = get(&call, &vendor.url("/")).await.unwrap_err();
    assert!(error.contains(&format!("add \"127.0.0.1:{}\" to hosts", vendor.port)), "{error}");
    for url in
        ["http://api.example.com/", "ftp://api.example.com/", "https://u:p@api.example.com/", "/relative", ""]
    {
        assert!(get(&call, url).await.is_err(), "{url}");
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_reached_whatever_it_is_called() {
    // The manifest names all of them, and an admin has consented: the guard still stands before them.
    let bench = Bench::with(Place::sqlite(), "", Settings::default()).await;
    let vendor = Vendor::start().await;
    let mut shop = plugin("acme", "shop");
    for host in [
        "169.254.169.254",
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        for port in ["", ":80", &format!(":{}", vendor.port)] {
            shop = with_host(shop, &format!("{host}{port}"), &[], &[]);
        }
    }
    let call = bench.call(shop);
    for host in [
        "169.254.169.254",
        "127.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        for (scheme, port) in
            [("https", String::new()), ("http", String::new()), ("https", format!(":{}", vendor.port))]
        {
            let error = get(&call, &format!("{scheme}://{host}{port}/")).await.unwrap_err();
            assert!(!error.contains("cannot be reached"), "{scheme}://{host}{port}: {error}");
        }
    }
    assert_eq!(vendor.seen().len(), 0);
}

#[tokio::test]
async fn requests_have_bounds() {
    let (bench, vendor) = (bench().await, Vendor::start().await);
    let shop = with_host(plugin("acme", "shop"), &vendor.host(), &[], &[]);
    let call = bench.call(shop.clone());
    let error = get(&call, &vendor.url("/large")).await.unwrap_err();
    assert!(error.contains("at most 4194304 bytes"), "{error}");
    let large =
        json!({"method": "POST", "url": vendor.url("/"), "body": {"text": "x".repeat((1 << 20) + 1)}});
    assert!(call.ask("http.request", large).await.unwrap_err().contains("at most 1048576 are sent"));
    let started = std::time::Instant::now();
    let slow = json!({"method": "GET", "url": vendor.url("/slow"), "timeout": 200});
    let error = call.ask("http.request", slow).await.unwrap_err();
    assert!(error.contains("did not answer in time") && started.elapsed().as_secs() < 4, "{error}");
    for _ in 0..62 {
        get(&call, &vendor.url("/")).await.unwrap();
    }
    let error = get(&call, &vendor.url("/")).await.unwrap_err();
    assert!(error.contains("at most 64 requests"), "{error}");
}
