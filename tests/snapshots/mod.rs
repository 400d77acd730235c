//! What clients get for fixed answers of the vendors: a snapshot of each, and that nothing of a vendor's answer is lost under
//! `raw`. CONTRIBUTING.md tells how changes are accepted.

mod cases;
mod vendors;

use std::panic::{AssertUnwindSafe, catch_unwind};

use model::Role;
use reqwest::Method;
use reqwest::header::SET_COOKIE;
use serde_json::{Value, json};
use testkit::{Backend, TokenBuilder};

use crate::deployment::{Answer, Deployment};
use cases::{CASES, Case, Raw};
use vendors::{Vendors, answer_of};

const UNIFIED: &str = "/api/v1/unified";

const CONNECTED: [&str; 5] = ["google", "slack", "atlassian", "bitbucket", "github"];

fn ann() -> String {
    let token = TokenBuilder::new().claim("tenantId", "acme").claim("role", Role::User.as_str());
    token.claim("email", "ann@acme.example").sign()
}

async fn get(deployment: &Deployment, path: &str) -> Answer {
    Answer::of(deployment.server.request(Method::GET, &format!("{UNIFIED}/{path}")).bearer_auth(ann())).await
}

/// Connects Ann's account at a provider, which asks nobody.
async fn connect(deployment: &Deployment, provider: &str) {
    let begun = get(deployment, &format!("auth/{provider}/url")).await;
    let address: reqwest::Url = begun.expect(200)["auth_url"].as_str().unwrap().parse().unwrap();
    let (_, state) = address.query_pairs().find(|(name, _)| name == "state").unwrap();
    let callback = format!("auth/{provider}/callback?code=code-1&state={state}");
    let request = deployment.server.get(&format!("{UNIFIED}/{callback}"));
    let cookie = begun.headers.get(SET_COOKIE).map_or("", |cookie| cookie.to_str().unwrap());
    let cookie = cookie.split(';').next().unwrap();
    let request = if cookie.is_empty() { request } else { request.header("cookie", cookie) };
    Answer::of(request).await.expect(200);
}

/// Lists of items stand under the connector's own name for them, too. Tells that they do, in place of saying all twice.
fn fold(body: &mut Value) {
    let Some(result) = body.get_mut("result").and_then(Value::as_object_mut) else { return };
    let Some(items) = result.get("items").cloned() else { return };
    for (name, value) in result.iter_mut() {
        if name != "items" && *value == items {
            *value = json!("(the same as items)");
        }
    }
}

/// What `case` is answered with. Page tokens and the connection's id are others each time.
async fn answered(deployment: &Deployment, case: &Case, raw: bool) -> Value {
    let mut path = format!("connectors/{}/{}", case.connector, case.path);
    if raw {
        path.push_str(if path.contains('?') { "&raw=true" } else { "?raw=true" });
    }
    let mut body = get(deployment, &path).await.expect(200).clone();
    if let Some(token) = body.pointer_mut("/result/next_page_token") {
        assert!(token.as_str().is_some_and(|token| token.len() > 20), "{path}: {token}");
        *token = json!("(sealed)");
    }
    if let Some(id) = body.pointer_mut("/capabilities/connection_id") {
        *id = json!("(of the connection)");
    }
    fold(&mut body);
    body
}

/// The vendor's answers, in the order of the things that are told.
fn vendors_own(raw: Raw) -> Vec<Value> {
    let at = |name: &str, pointer: &str| answer_of(name).pointer(pointer).unwrap().clone();
    match raw {
        Raw::None => Vec::new(),
        Raw::One(_, name, pointer) => vec![at(name, pointer)],
        Raw::List(_, name, pointer) => {
            let mut list = at(name, pointer).as_array().unwrap().clone();
            // GitHub lists pull requests among issues, and they are none.
            list.retain(|each| each.get("pull_request").is_none());
            list
        }
        Raw::Each(_, names) => names.iter().map(|name| answer_of(name)).collect(),
    }
}

/// Takes what stands under `raw` out of the things that are told.
fn take_raw(body: &mut Value, raw: Raw) -> Vec<Value> {
    let told: Vec<&mut Value> = match raw {
        Raw::None => Vec::new(),
        Raw::One(pointer, ..) => vec![body.pointer_mut(pointer).unwrap()],
        Raw::List(pointer, ..) | Raw::Each(pointer, _) => {
            body.pointer_mut(pointer).unwrap().as_array_mut().unwrap().iter_mut().collect()
        }
    };
    told.into_iter()
        .map(|each| each.as_object_mut().unwrap().shift_remove("raw").unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn answers_stay_as_they_are_and_nothing_of_the_vendors_is_lost() {
    let vendors = Vendors::start().await;
    let deployment = Deployment::start_with(Backend::files(), |builder| vendors.configure(builder));
    for provider in CONNECTED {
        connect(&deployment, provider).await;
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("expected");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let mut wrong = Vec::new();
    for case in CASES {
        let name = format!("{}-{}", case.connector, case.name);
        let plain = answered(&deployment, case, false).await;
        let mut whole = answered(&deployment, case, true).await;
        settings.set_description(format!("GET {UNIFIED}/connectors/{}/{}", case.connector, case.path));
        let text = serde_json::to_string_pretty(&plain).unwrap();
        let checked = catch_unwind(AssertUnwindSafe(|| {
            settings.bind(|| insta::assert_snapshot!(name.as_str(), text));
            assert_eq!(
                take_raw(&mut whole, case.raw),
                vendors_own(case.raw),
                "{name}: what stands under raw"
            );
            assert_eq!(whole, plain, "{name}: raw changes nothing else");
        }));
        // What it was is among the output.
        if checked.is_err() {
            wrong.push(name);
        }
    }
    assert_eq!(vendors.unanswered(), [""; 0]);
    assert_eq!(wrong, [""; 0]);
}
