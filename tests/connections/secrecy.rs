//! Tokens, codes, secrets and states are in no log, in no answer, and nowhere at rest but sealed.

use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::json;
use storage::Engine;
use testkit::Backend;

use super::club::{Club, PLATFORM, PLATFORM_SECRET};
use super::{AUTH, Broker, CONNECTIONS, user, with_parameter, with_providers};
use crate::deployment::{ADMIN, Answer, Deployment, on_both_backends};

on_both_backends!(what_a_flow_handles_is_told_to_nobody, what_is_kept_is_sealed);

/// Everything that is at rest in the database: its files, or a dump of its tables, with bytes in hexadecimal.
async fn at_rest(deployment: &Deployment) -> Vec<u8> {
    let database = deployment.database().await;
    let mut conn = database.read().await.unwrap();
    let Engine::Postgres(postgres) = conn.engine() else {
        drop(conn);
        database.close().await;
        return files(&deployment.folder().join("data"));
    };
    let tables: Vec<(String,)> = sqlx::query_as(
        "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
    )
    .fetch_all(&mut *postgres)
    .await
    .unwrap();
    let mut dump = Vec::new();
    for (table,) in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT row_to_json(t)::text FROM {table} t"));
        let rows: Vec<(String,)> = sqlx::query_as(sql).fetch_all(&mut *postgres).await.unwrap();
        for (row,) in rows {
            dump.extend_from_slice(row.as_bytes());
        }
    }
    dump
}

fn files(folder: &Path) -> Vec<u8> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_file()).flat_map(|path| fs::read(path).unwrap()).collect()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[track_caller]
fn check_at_rest(dump: &[u8], known: &str, secrets: &[String]) {
    assert!(holds(dump, known.as_bytes()), "what is no secret is found");
    for secret in secrets {
        assert!(secret.len() >= 12, "{secret} could be there by chance");
        let hexadecimal =
            secret.bytes().fold(String::new(), |hexadecimal, byte| format!("{hexadecimal}{byte:02x}"));
        assert!(!holds(dump, secret.as_bytes()) && !holds(dump, hexadecimal.as_bytes()), "{secret}");
    }
}

async fn what_a_flow_handles_is_told_to_nobody(backend: Backend) {
    let broker = Broker::start_with(backend, |builder| builder.set("LOG_LEVEL", "debug")).await;
    let ann = user("ann@acme.example");
    let mut answers = Vec::new();
    let mut states = Vec::new();
    let begun = broker.begin(&ann, "").await;
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    for (address, cookie) in [
        (with_parameter(&address, "iss", Some("https://evil.example")), ""),
        (address.clone(), begun.cookie.as_str()),
        (address.clone(), begun.cookie.as_str()),
    ] {
        answers.push(broker.come_back(&address, cookie).await);
    }
    assert_eq!(answers[1].status, 200, "{}", answers[1].text);
    states.extend([begun.parameter("state"), super::parameter(&address, "code")]);
    // A code that the provider does not take, and a page about it.
    let failed = broker.begin(&ann, "").await;
    let wrong = with_parameter(&address, "state", Some(&failed.parameter("state")));
    let request = broker.coming_back(&wrong, &failed.cookie).header("accept", "text/html");
    answers.push(Answer::of(request).await);
    states.push(failed.parameter("state"));
    broker.provider.forget_grants().await.unwrap();
    let again = broker.begin(&ann, "return_to=https://app.example/").await;
    let address = broker.provider.consent(again.auth_url.as_str(), "ann").await.unwrap();
    let back = broker.come_back(&address, &again.cookie).await;
    assert!(back.headers["location"].to_str().unwrap().contains("status=connected"), "{back:?}");
    states.extend([again.parameter("state"), super::parameter(&address, "code")]);
    answers.push(back);
    for (method, path) in [
        (Method::GET, format!("{AUTH}/op/validate")),
        (Method::POST, format!("{AUTH}/op/refresh")),
        (Method::GET, format!("{AUTH}/status")),
        (Method::GET, CONNECTIONS.to_owned()),
        (Method::GET, "/api/v1/unified/activity".to_owned()),
        (Method::DELETE, format!("{AUTH}/op/revoke")),
    ] {
        let answer = Answer::of(broker.request(&ann, method, &path)).await;
        answer.expect(200);
        answers.push(answer);
    }
    let mut secrets: Vec<String> =
        broker.tap.heard().iter().flat_map(super::tap::Exchange::secrets).collect();
    assert!(secrets.len() >= 12, "three token requests were heard");
    secrets.push(broker.provider.options().client_secret.clone());
    secrets.extend([&begun, &failed, &again].map(|begun| begun.cookie.split_once('=').unwrap().1.to_owned()));
    secrets.extend(states);
    secrets.push(ann.clone());

    let log = broker.deployment.log_with("{provider}/revoke").unwrap();
    assert!(log.contains("\"level\":\"DEBUG\""), "it tells much: {log}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is in the log:\n{log}");
        for answer in &answers {
            assert!(!answer.text.contains(secret.as_str()), "{secret} is in an answer: {}", answer.text);
            let headers = format!("{:?}", answer.headers);
            assert!(!headers.contains(secret.as_str()), "{secret} is in a header: {headers}");
        }
    }
}

async fn what_is_kept_is_sealed(backend: Backend) {
    const KEY: &str = "key-Vq7wZ2rT9xB";
    const MACHINE_SECRET: &str = "SecretOfTheMachine42";
    const OWN_SECRET: &str = "SecretOfAcme91f0";
    let club = Club::start().await.with_key(KEY, "ann").with_client("machine", MACHINE_SECRET);
    let club = club.with_client(PLATFORM, PLATFORM_SECRET);
    let deployment = with_providers(backend, &club.providers(), |builder| builder);
    let app = json!({"client_id": "client-of-acme", "client_secret": OWN_SECRET});
    deployment.put(ADMIN, "/api/v1/unified/oauth-apps/github", &app).await.expect(200);
    for body in [
        json!({"provider": "keys", "api_key": KEY, "user_email": "ann@acme.example"}),
        json!({"provider": "machines", "client_id": "machine", "client_secret": MACHINE_SECRET,
               "user_email": "ann@acme.example"}),
    ] {
        deployment.post(ADMIN, CONNECTIONS, &body).await.expect(201);
    }
    let ann = user("ann@acme.example");
    let request = deployment.server.get(&format!("{AUTH}/club/url")).bearer_auth(&ann);
    let begun = super::begun(&Answer::of(request).await);
    let mut address: reqwest::Url = begun.parameter("redirect_uri").parse().unwrap();
    address.query_pairs_mut().append_pair("code", "any").append_pair("state", &begun.parameter("state"));
    Answer::of(super::coming_back(&deployment, &address, &begun.cookie)).await.expect(200);
    let request = deployment.server.request(Method::POST, &format!("{AUTH}/club/refresh"));
    Answer::of(request.bearer_auth(&ann)).await.expect(200);

    let mut secrets = club.tokens();
    assert_eq!(secrets.len(), 6, "three token answers");
    secrets.extend([KEY, MACHINE_SECRET, OWN_SECRET, PLATFORM_SECRET].map(str::to_owned));
    secrets.push(begun.cookie.split_once('=').unwrap().1.to_owned());
    check_at_rest(&at_rest(&deployment).await, "ann@acme.example", &secrets);
}
