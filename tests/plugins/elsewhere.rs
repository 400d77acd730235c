//! Plugins whose bundle or remote entry is elsewhere when they are published.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::{Value, json};
use testkit::Backend;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::bundles::integrity;
use crate::deployment::{ADMIN, Deployment, PLATFORM, manifest, on_both_backends, plugin, with};

on_both_backends!(a_bundle_elsewhere_is_fetched_once_and_kept, a_remote_entry_stays_where_it_is);

/// An ES module that needs no building.
const BUNDLE: &str = "export default{name:'Card',extensionPoints:{checkout(){return null}}};";

/// Somebody's file server on loopback.
struct Files {
    base: String,
    port: u16,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Files {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let app = Router::new().fallback(move |request: Request| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { answer(request.uri().path()) }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { base: format!("http://127.0.0.1:{port}"), port, asked, task }
    }

    fn at(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(path: &str) -> Response {
    let typed = |media_type: &'static str, content: &'static str| {
        ([("content-type", media_type)], content).into_response()
    };
    match path {
        "/card.js" | "/remoteEntry.js" => typed("text/javascript", BUNDLE),
        "/moved.js" => Redirect::temporary("/card.js").into_response(),
        "/page.js" => typed("text/html", BUNDLE),
        "/broken.js" => typed("text/javascript", "export default {"),
        "/inside.js" => Redirect::temporary("http://127.0.0.2/card.js").into_response(),
        _ => axum::http::StatusCode::NOT_FOUND.into_response(),
    }
}

fn start(backend: Backend, files: &Files) -> Deployment {
    let allow = format!("127.0.0.1:{}", files.port);
    Deployment::start_with(backend, |builder| builder.set("OUTBOUND_ALLOW", allow))
}

fn at(id: &str, url: &str) -> Value {
    with(manifest(id, "1.0.0"), &json!({"bundleUrl": url}))
}

async fn a_bundle_elsewhere_is_fetched_once_and_kept(backend: Backend) {
    let files = Files::start().await;
    let deployment = start(backend, &files);
    for (path, reason) in [
        ("page.js", "served as JavaScript"),
        ("none.js", "404"),
        ("inside.js", "127.0.0.2 must have a public address"),
    ] {
        let refused = deployment.post(PLATFORM, "/plugins", &at("card", &files.at(path))).await;
        assert_eq!(refused.pointers("validation_failed"), ["/bundleUrl"], "{path}");
        assert!(refused.text.contains(reason), "{path}: {}", refused.text);
    }
    let closed =
        deployment.post(ADMIN, "/plugins", &at("card", "http://[::ffff:169.254.169.254]/card.js")).await;
    assert_eq!(closed.pointers("validation_failed"), ["/bundleUrl"]);
    deployment.post(PLATFORM, "/plugins", &at("card", &files.at("broken.js"))).await.problem("build_failed");
    assert_eq!(deployment.blob_keys().len(), 0, "nothing of that is kept");

    let published =
        deployment.post(PLATFORM, "/plugins", &at("card", &files.at("moved.js"))).await.expect(201);
    assert_eq!(
        (&published["integrity"], &published["extensionPoints"]),
        (&json!(integrity(BUNDLE.as_bytes())), &json!(["checkout"]))
    );
    let asked = files.asked();
    files.task.abort();
    let path = published["bundleUrl"].as_str().unwrap().strip_prefix(deployment.base()).unwrap();
    let kept = deployment.get(path).await;
    assert_eq!((kept.status, kept.text.as_str()), (200, BUNDLE));
    assert_eq!(files.asked(), asked, "it is served from here");
    let both = with(plugin("both", "1.0.0"), &json!({"bundleUrl": files.at("card.js")}));
    deployment.post(PLATFORM, "/plugins", &both).await.problem("validation_failed");
}

async fn a_remote_entry_stays_where_it_is(backend: Backend) {
    let files = Files::start().await;
    let deployment = start(backend, &files);
    let remote = |id: &str, url: &str| {
        let fields =
            json!({"remoteEntry": url, "scope": "card", "adminComponents": {"Settings": "./Settings"}});
        with(manifest(id, "1.0.0"), &fields)
    };
    let url = files.at("remoteEntry.js");
    let published = deployment.post(PLATFORM, "/marketplace", &remote("federated", &url)).await.expect(201);
    assert_eq!((&published["remoteEntry"], &published["scope"]), (&json!(url), &json!("card")));
    assert_eq!(published["integrity"], integrity(BUNDLE.as_bytes()));
    assert!(published.get("bundleUrl").is_none() && published.get("warnings").is_none(), "{published}");
    deployment.get("/plugins/federated/bundle").await.problem("not_found");
    assert_eq!(deployment.blob_keys().len(), 0);

    // Browsers may reach what this server does not.
    for (id, url) in [("inside", "http://10.0.0.1/remoteEntry.js"), ("gone", &files.at("none.js"))] {
        let published = deployment.post(PLATFORM, "/marketplace", &remote(id, url)).await.expect(201);
        assert_eq!(published["remoteEntry"], *url);
        assert!(published.get("integrity").is_none(), "{published}");
        let warning = published["warnings"][0].as_str().unwrap();
        assert!(warning.contains("without an integrity"), "{warning}");
    }
    let nothing = manifest("nothing", "1.0.0");
    deployment.post(PLATFORM, "/plugins", &nothing).await.problem("validation_failed");
}
