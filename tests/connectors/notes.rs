//! The notes of the sandbox in `serve --dev`, as the page on adding a connector has them.

use reqwest::header::SET_COOKIE;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use testkit::{Backend, Browser};

use super::CONNECTORS;
use super::contract::{Route, routes};
use crate::deployment::{Answer, Deployment, USER, on_both_backends};

on_both_backends!(
    the_sandboxs_notes_are_there_in_development,
    without_a_connection_every_route_says_so,
    they_are_not_configured_elsewhere,
);

const ANN: &str = "user_email=ann@sandbox.example";

/// Connects Ann's account at the sandbox.
async fn connect(deployment: &Deployment) {
    let begun = Answer::of(deployment.server.get("/api/v1/unified/auth/sandbox/url")).await;
    let cookie = begun.headers.get(SET_COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned());
    let address = begun.expect(200)["auth_url"].as_str().unwrap().to_owned();
    let browser = Browser::new().unwrap();
    let page = browser.get(&address).await.unwrap();
    let form = page.form("Allow").unwrap().set("person", "ann").press("Allow").unwrap();
    let back = browser.submit(&form).await.unwrap().location.unwrap();
    let callback = format!("/api/v1/unified/auth/sandbox/callback?{}", back.query().unwrap());
    let mut request = deployment.server.get(&callback);
    if let Some(cookie) = &cookie {
        request = request.header("cookie", cookie.split(';').next().unwrap());
    }
    assert_eq!(Answer::of(request).await.expect(200)["user_email"], "ann@sandbox.example");
}

fn titles(items: &Value) -> Vec<&str> {
    items["result"]["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

async fn the_sandboxs_notes_are_there_in_development(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.arg("--dev"));
    connect(&deployment).await;
    let get = async |path: &str| {
        Answer::of(deployment.server.get(&format!("{CONNECTORS}/notes/{path}"))).await.expect(200)
    };
    let first = get(&format!("items?{ANN}&max_results=2")).await;
    assert_eq!(titles(&first), ["Call back", "Ideas for the team day"], "{first:#}");
    let found = get(&format!("search?{ANN}&query=invoice")).await;
    assert_eq!(titles(&found), ["Call back", "Invoice 2026-118"], "{found:#}");
    let draft = json!({"title": "Hello", "text": "from Jackfield"});
    let create = deployment.server.request(Method::POST, &format!("{CONNECTORS}/notes/items?{ANN}"));
    let made = Answer::of(create.json(&draft)).await;
    assert!((200..300).contains(&made.status), "{}", made.text);
    assert_eq!(titles(&get(&format!("items?{ANN}&max_results=1")).await), ["Hello"]);
    let can = get(&format!("capabilities?{ANN}")).await;
    let can = can["capabilities"]["capabilities"].as_array().unwrap();
    assert_eq!(can.len(), 6, "{can:?}");
}

async fn without_a_connection_every_route_says_so(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.arg("--dev"));
    let of_notes = format!("{CONNECTORS}/notes/");
    let mut routes = routes(&deployment, &["notes"]).await;
    routes.retain(|route| route.path.starts_with(&of_notes));
    assert!(routes.len() > 24, "{}", routes.len());
    for Route { method, path, body, .. } in routes {
        let separator = if path.contains('?') { '&' } else { '?' };
        let request = deployment.server.request(method.clone(), &format!("{path}{separator}{ANN}"));
        let request = body.iter().fold(request, RequestBuilder::json);
        let refused = Answer::of(request).await;
        assert_eq!(refused.status, 401, "{method} {path}: {}", refused.text);
        refused.problem("connection_required");
    }
}

async fn they_are_not_configured_elsewhere(backend: Backend) {
    let deployment = Deployment::start(backend);
    let listed = deployment.get_as(USER, CONNECTORS).await.expect(200);
    let notes = listed["connectors"].as_array().unwrap().iter().find(|each| each["name"] == "notes").unwrap();
    assert_eq!(notes["configured"], false, "{notes:#}");
}
