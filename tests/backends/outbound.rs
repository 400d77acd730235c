//! What backends call: with secrets that they never see, and nothing that is not public.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use serde_json::json;
use testkit::Backend;
use tokio::net::TcpListener;

use super::{act, data, install, lines};
use crate::deployment::{ADMIN, Deployment, PLATFORM, USER, manifest, on_both_backends, with};

on_both_backends!(
    a_plugins_own_server_takes_actions,
    a_secret_is_put_in_at_the_door,
    nothing_private_is_reached,
);

pub(super) type Seen = Arc<Mutex<Vec<String>>>;

/// A vendor on loopback that repeats all that it is asked. Its host, and what it has seen.
pub(super) async fn vendor() -> (String, Seen) {
    async fn answer(State(seen): State<Seen>, request: Request) -> String {
        let headers =
            request.headers().iter().map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()));
        let told = format!("{} {}\n{}", request.method(), request.uri(), headers.collect::<String>());
        seen.lock().unwrap().push(told.clone());
        told
    }
    let seen = Seen::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (host, seen)
}

async fn a_secret_is_put_in_at_the_door(backend: Backend) {
    let (host, seen) = vendor().await;
    let deployment = Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", "127.0.0.1"));
    let handlers = "\
        async charge(req, ctx) {\n\
            const answer = await ctx.http.post(`http://${req.body.host}/charge`, { amount: 7 });\n\
            console.log('charged', answer.text);\n\
            const pin = await ctx.secrets.get('pin');\n\
            ctx.logger.info(`the pin is ${pin}`);\n\
            const key = await ctx.secrets.get('key').catch((error) => error.message);\n\
            return { status: answer.status, text: answer.text, key, pinLength: pin.length };\n\
        },\n\
        async leak(req, ctx) { throw new Error('pin ' + (await ctx.secrets.get('pin'))); },";
    let fields = json!({
        "hosts": [{"host": host, "headers": {"Authorization": "Bearer ${key}"}, "query": {"k": "${key}"}}],
        "requiredSecrets": ["pin"],
        "configSchema": {
            "type": "object",
            "properties": {"key": {"type": "string"}, "pin": {"type": "string"}},
            "sensitiveFields": ["key", "pin"],
        },
    });
    install(&deployment, "shop", handlers, &fields).await;
    let unset = act(&deployment, USER, "shop", "charge", json!({"host": host})).await.expect(200);
    assert!(unset["error"].as_str().unwrap().contains("the secret key that requests to"), "{unset:#}");
    let secrets = json!({"key": "sk_live_90210", "pin": "pin-1234"});
    deployment.put(ADMIN, "/plugins/shop/config", &secrets).await.expect(200);
    let told = data(&deployment, USER, "shop", "charge", json!({"host": host})).await;
    assert_eq!((&told["status"], &told["pinLength"]), (&json!(200), &json!(8)));
    assert!(told["text"].as_str().unwrap().contains("authorization: Bearer [secret]"), "{told:#}");
    assert!(!told.to_string().contains("sk_live"), "{told:#}");
    assert!(told["key"].as_str().unwrap().contains("requiredSecrets"), "{told:#}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 1);
    assert!(
        seen[0].contains("authorization: Bearer sk_live_90210") && seen[0].contains("k=sk_live_90210"),
        "{seen:?}"
    );
    let leaked = act(&deployment, USER, "shop", "leak", json!({})).await.expect(200);
    assert_eq!(leaked["error"], "pin [secret]");
    let lines = lines(&deployment, "shop", 4).await;
    let text = serde_json::to_string(&lines).unwrap();
    assert!(text.contains("the pin is [secret]"), "{text}");
    for value in ["sk_live_90210", "pin-1234"] {
        assert!(!text.contains(value), "{text}");
        assert!(!deployment.log().contains(value));
    }
}

async fn nothing_private_is_reached(backend: Backend) {
    let (host, seen) = vendor().await;
    let port = host.rsplit(':').next().unwrap().to_owned();
    let deployment = Deployment::start(backend);
    let handlers = "\
        go: (req, ctx) => fetch(req.body.url).then((answer) => answer.text()).catch((error) => ({ refused: error.message })),";
    let hosts = json!([
        "169.254.169.254",
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        "169.254.169.254:80",
    ]);
    install(&deployment, "shop", handlers, &json!({"hosts": hosts})).await;
    for url in [
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        format!("https://127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("https://localhost:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        "https://10.0.0.1/".to_owned(),
        "file:///etc/passwd".to_owned(),
    ] {
        let told = data(&deployment, USER, "shop", "go", json!({"url": url})).await;
        assert!(told["refused"].is_string(), "{url}: {told:#}");
    }
    assert_eq!(seen.lock().unwrap().len(), 0);
}

async fn a_plugins_own_server_takes_actions(backend: Backend) {
    let (host, seen) = vendor().await;
    let deployment = Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", "127.0.0.1"));
    let body =
        with(manifest("till", "1.0.0"), &json!({"backend": {"upstream": format!("http://{host}/till")}}));
    deployment.post(PLATFORM, "/plugins", &body).await.expect(201);
    deployment.install(ADMIN, "till").await;
    let told = data(&deployment, USER, "till", "pay", json!({"amount": 7})).await;
    assert!(told.as_str().unwrap().starts_with("POST /till/actions/pay"), "{told}");
    let [seen] = <[String; 1]>::try_from(seen.lock().unwrap().clone()).unwrap();
    assert!(seen.contains("x-jackfield-context: ") && !seen.contains("authorization: "), "{seen}");
    for action in ["../admin", "a/b", "%2e%2e", "a?b=1", "a#b"] {
        let answer = act(&deployment, USER, "till", action, json!({})).await;
        answer.problem("not_found");
    }
    deployment.put(ADMIN, "/plugins/till/status", &json!({"enabled": false})).await.expect(200);
    act(&deployment, USER, "till", "pay", json!({})).await.problem("plugin_disabled");
}
