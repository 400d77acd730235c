//! The breach switch, as an operator uses it: many connections revoked at the command line, beside a running server, and
//! what is told of it afterwards.

use std::collections::BTreeSet;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::{Backend, Builder, TestServer, TokenBuilder};

use crate::deployment::{Answer, each, on_both_backends};

on_both_backends!(
    a_killed_command_goes_on_where_it_was,
    an_interrupted_command_says_so,
    activity_is_told_to_whom_it_concerns,
    a_command_that_could_do_harm_asks_first,
    the_end_of_a_user_leaves_what_is_the_tenants,
);

/// Connections to these need no provider that answers; those to the second are the tenant's.
const PROVIDERS: &str = r#"
[providers.mailer]
name = "Mailer"
flow = "api_key"
api_hosts = ["api.mailer.example"]
[providers.depot]
flow = "api_key"
owner = "tenant"
"#;

struct Place {
    builder: Builder,
    server: TestServer,
}

impl Place {
    fn start(backend: &Backend) -> Self {
        let builder = backend.configure(crate::server()).set("PROVIDERS_FILE", "providers.toml");
        std::fs::write(builder.folder().join("providers.toml"), PROVIDERS).unwrap();
        Self { server: builder.clone().start().unwrap(), builder }
    }

    async fn connect(&self, tenant: &str, users: &[String]) {
        for user in users {
            self.connect_to("mailer", tenant, user).await;
        }
    }

    async fn connect_to(&self, provider: &str, tenant: &str, user: &str) {
        let request =
            self.server.request_as(tenant, Role::Admin, Method::POST, "/api/v1/unified/connections");
        let body = json!({"provider": provider, "user_email": user, "api_key": "k-123456"});
        Answer::of(request.json(&body)).await.expect(201);
    }

    async fn get(&self, tenant: &str, path: &str) -> Value {
        let request = self.server.request_as(tenant, Role::Admin, Method::GET, path);
        Answer::of(request).await.expect(200)
    }

    async fn left(&self, tenant: &str) -> usize {
        let page = self.get(tenant, "/api/v1/unified/connections?limit=200").await;
        page["connections"].as_array().unwrap().len()
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.builder.command(&["connections"]);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn output(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn wait_until_left(&self, tenant: &str, is_enough: impl Fn(usize) -> bool) -> usize {
        let began = Instant::now();
        loop {
            let left = self.left(tenant).await;
            if is_enough(left) {
                return left;
            }
            assert!(began.elapsed() < Duration::from_mins(1), "{left} are left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn users(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("u{index:02}@example.com")).collect()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

async fn a_killed_command_goes_on_where_it_was(backend: Backend) {
    let place = Place::start(&backend);
    place.connect("acme", &users(20)).await;
    place.connect("other", &users(1)).await;
    let arguments = ["revoke", "--tenant", "acme", "--rate", "5", "--yes", "--json"];
    let mut killed = place.command(&arguments).spawn().unwrap();
    place.wait_until_left("acme", |left| left <= 16).await;
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = place.left("acme").await;
    assert!((1..=16).contains(&left), "{left}");

    let arguments = ["revoke", "--tenant", "acme", "--rate", "50", "--yes", "--json"];
    let output = place.output(&arguments).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("going on"), "{output:?}");
    let told = report(&output);
    assert_eq!((&told["continued"], &told["finished"]), (&json!(true), &json!(true)), "{told:#}");
    let counts = ["at_provider", "only_here", "left"].map(|name| told[name].as_i64().unwrap());
    assert_eq!(counts, [0, 20, 0], "{told:#}");
    let reasons = told["providers"]["mailer"]["only_here"].as_array().unwrap();
    assert_eq!(reasons.len(), 1, "{told:#}");
    assert!(reasons[0]["reason"].as_str().unwrap().starts_with("Mailer offers no way to revoke"), "{told:#}");
    assert_eq!((place.left("acme").await, place.left("other").await), (0, 1));

    let again = report(&place.output(&arguments).await);
    assert_eq!((&again["continued"], &again["only_here"]), (&json!(false), &json!(0)), "{again:#}");
    let listed = place.output(&["list", "--tenant", "other", "--json"]).await;
    assert_eq!(report(&listed)["user_email"], "u00@example.com");
    let listed = place.output(&["list", "--tenant", "acme"]).await;
    assert_eq!((listed.status.code(), listed.stdout.len()), (Some(0), 0), "{listed:?}");
}

async fn the_end_of_a_user_leaves_what_is_the_tenants(backend: Backend) {
    let place = Place::start(&backend);
    place.connect("acme", &users(1)).await;
    place.connect_to("depot", "acme", "u00@example.com").await;
    let listed = place.output(&["list", "--tenant", "acme", "--user", "u00@example.com"]).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), 2, "the user may use both: {listed}");
    assert!(listed.lines().any(|line| line.contains("depot") && line.contains("(tenant)")), "{listed}");
    let revoked =
        place.output(&["revoke", "--tenant", "acme", "--user", "u00@example.com", "--yes", "--json"]).await;
    assert_eq!(report(&revoked)["only_here"], 1, "{revoked:?}");
    let left = report(&place.output(&["list", "--tenant", "acme", "--json"]).await);
    assert_eq!((&left["provider"], &left["user_email"]), (&json!("depot"), &Value::Null));
    let revoked = place.output(&["revoke", "--provider", "depot", "--yes", "--json"]).await;
    assert_eq!(report(&revoked)["only_here"], 1, "{revoked:?}");
    assert_eq!(place.left("acme").await, 0);
}

async fn an_interrupted_command_says_so(backend: Backend) {
    let place = Place::start(&backend);
    place.connect("acme", &users(20)).await;
    let child = place.command(&["revoke", "--provider", "mailer", "--yes", "--json"]).spawn().unwrap();
    place.wait_until_left("acme", |left| left < 20).await;
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("run the same again"), "{output:?}");
    let told = report(&output);
    assert_eq!(told["finished"], false);
    let left = place.left("acme").await;
    assert_eq!(told["left"], left);
    assert_eq!(told["only_here"], 20 - left);
}

async fn activity_is_told_to_whom_it_concerns(backend: Backend) {
    let place = Place::start(&backend);
    place.connect("acme", &users(3)).await;
    place.connect("other", &users(2)).await;
    let output = place.output(&["revoke", "--user", "u01@example.com", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("revoked 2 connections: 0 at their providers, 2 only here\n"), "{text}");

    let path = "/api/v1/unified/activity";
    let all = place.get("acme", path).await;
    let words: BTreeSet<&str> = each(&all["activity"], "action").into_iter().collect();
    assert_eq!(words, BTreeSet::from(["connect", "revoke"]));
    assert_eq!(all["activity"].as_array().unwrap().len(), 4);
    assert_eq!(all["activity"][0]["action"], "revoke", "newest first");
    assert_eq!(all["activity"][0]["actor"], "operator");
    assert!(!all.to_string().contains("k-123456"));
    let first = place.get("acme", &format!("{path}?limit=1")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let rest = place.get("acme", &format!("{path}?cursor={cursor}")).await;
    assert_eq!(rest["activity"].as_array().unwrap()[..], all["activity"].as_array().unwrap()[1..]);
    let narrowed =
        place.get("acme", &format!("{path}?action=revoke&outcome=ok&user_email=U01@example.com")).await;
    assert_eq!(narrowed["activity"].as_array().unwrap().len(), 1);

    let export = place.server.request_as("acme", Role::Admin, Method::GET, path);
    let export = Answer::of(export.header("accept", "application/x-ndjson")).await;
    assert_eq!(export.headers["content-type"], "application/x-ndjson");
    let lines: Vec<Value> = export.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(&lines, all["activity"].as_array().unwrap());

    let token = TokenBuilder::new().claim("tenantId", "acme").claim("role", "user");
    let token = token.claim("email", "u02@example.com").sign();
    let own = Answer::of(place.server.get(path).bearer_auth(&token)).await.expect(200);
    assert_eq!(each(&own["activity"], "user_email"), ["u02@example.com"]);
    let foreign = format!("{path}?user_email=u01@example.com");
    Answer::of(place.server.get(&foreign).bearer_auth(&token)).await.problem("insufficient_role");
    for query in ["cursor=1-1-1", "action=steal", "outcome=fine", "since=yesterday", "user_email=nobody"] {
        let request = place.server.request_as("acme", Role::Admin, Method::GET, &format!("{path}?{query}"));
        Answer::of(request).await.problem("invalid_request");
    }
}

async fn a_command_that_could_do_harm_asks_first(backend: Backend) {
    let place = Place::start(&backend);
    place.connect("acme", &users(2)).await;
    for arguments in [
        &["revoke"][..],
        &["revoke", "--yes"],
        &["revoke", "--all", "--tenant", "acme", "--yes"],
        &["revoke", "--tenant", "acme"],
        &["revoke", "--before", "yesterday", "--yes"],
        &["revoke", "--tenant", "acme", "--rate", "0", "--yes"],
    ] {
        let output = place.output(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
    }
    assert_eq!(place.left("acme").await, 2);
    let output = place.output(&["revoke", "--before", "2020-01-01T00:00:00Z", "--yes", "--json"]).await;
    assert_eq!((output.status.code(), &report(&output)["only_here"]), (Some(0), &json!(0)), "{output:?}");
    assert_eq!(place.left("acme").await, 2);
    let output = place.output(&["revoke", "--all", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(place.left("acme").await, 0);
}
