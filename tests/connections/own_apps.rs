//! OAuth apps of the tenants' own in place of the platform's.

use model::Role;
use reqwest::Method;
use serde_json::{Value, json};
use testkit::Backend;

use super::club::{Club, PLATFORM, PLATFORM_SECRET};
use super::{AUTH, Begun, begun, coming_back, credential, with_providers};
use crate::deployment::{ADMIN, Answer, Deployment, USER, Who, each, on_both_backends};

on_both_backends!(a_tenants_own_app_speaks_for_it_alone, an_app_is_checked_and_its_secret_kept);

const APPS: &str = "/api/v1/unified/oauth-apps";
const OTHER: Who = ("other", Role::Admin);
const OWN: &str = "client-of-acme";
const OWN_SECRET: &str = "SecretOfAcme91f0";

async fn furnished(backend: Backend) -> (Deployment, Club) {
    let club = Club::start().await.with_client(PLATFORM, PLATFORM_SECRET).with_client(OWN, OWN_SECRET);
    (with_providers(backend, &club.providers(), |builder| builder), club)
}

async fn begin(deployment: &Deployment, tenant: &str) -> Begun {
    let token = credential(tenant, Role::User, Some("ann@example.com"));
    let request = deployment.server.get(&format!("{AUTH}/club/url")).bearer_auth(token);
    begun(&Answer::of(request).await)
}

/// Comes back with a code.
async fn finish(deployment: &Deployment, begun: &Begun) -> Answer {
    let mut address: reqwest::Url = begun.parameter("redirect_uri").parse().unwrap();
    address.query_pairs_mut().append_pair("code", "any").append_pair("state", &begun.parameter("state"));
    Answer::of(coming_back(deployment, &address, &begun.cookie)).await
}

async fn send(deployment: &Deployment, tenant: &str, method: Method, path: &str) -> Answer {
    let token = credential(tenant, Role::User, Some("ann@example.com"));
    Answer::of(deployment.server.request(method, &format!("{AUTH}/club/{path}")).bearer_auth(token)).await
}

async fn a_tenants_own_app_speaks_for_it_alone(backend: Backend) {
    let (deployment, club) = furnished(backend).await;
    let app = json!({"client_id": OWN, "client_secret": OWN_SECRET});
    let put = deployment.put(ADMIN, &format!("{APPS}/club"), &app).await;
    assert_eq!(put.expect(200)["client_id"], OWN);
    assert!(!put.text.contains(OWN_SECRET));
    for (tenant, client) in [("acme", OWN), ("other", PLATFORM)] {
        let begun = begin(&deployment, tenant).await;
        assert_eq!(begun.parameter("client_id"), client, "{tenant}");
        finish(&deployment, &begun).await.expect(200);
        send(&deployment, tenant, Method::POST, "refresh").await.expect(200);
        let came = club.came().split_off(club.came().len() - 2);
        assert_eq!(
            came,
            [format!("{client} authorization_code"), format!("{client} refresh_token")],
            "{tenant}"
        );
    }
    let listed = deployment.get_as(OTHER, APPS).await.expect(200);
    assert_eq!(listed["oauth_apps"], json!([]));

    // Removed while somebody is at the provider: the code was meant for another client.
    let under_way = begin(&deployment, "acme").await;
    deployment.delete(ADMIN, &format!("{APPS}/club")).await.expect(200);
    deployment.delete(ADMIN, &format!("{APPS}/club")).await.problem("not_found");
    finish(&deployment, &under_way).await.problem("conflict");
    let refused = send(&deployment, "acme", Method::POST, "refresh").await;
    assert!(refused.status >= 400, "its app is known no more: {}", refused.text);
    let begun = begin(&deployment, "acme").await;
    assert_eq!(begun.parameter("client_id"), PLATFORM);
    finish(&deployment, &begun).await.expect(200);
    send(&deployment, "acme", Method::POST, "refresh").await.expect(200);
    send(&deployment, "other", Method::POST, "refresh").await.expect(200);
    let events = deployment.events().await;
    for line in ["acme oauth_app.configured club", "acme oauth_app.removed club"] {
        assert_eq!(events.iter().filter(|event| *event == line).count(), 1, "{line}: {events:?}");
    }
}

async fn an_app_is_checked_and_its_secret_kept(backend: Backend) {
    let (deployment, _club) = furnished(backend).await;
    let put = |provider: &'static str, body: Value| {
        let deployment = &deployment;
        async move { deployment.put(ADMIN, &format!("{APPS}/{provider}"), &body).await }
    };
    for (body, pointer) in [
        (json!({"client_id": "", "client_secret": "x"}), "/client_id"),
        (json!({"client_id": "a\u{0}b", "client_secret": "x"}), "/client_id"),
        (json!({"client_id": "x".repeat(2049), "client_secret": "x"}), "/client_id"),
        (json!({"client_id": "a", "client_secret": "x\ny"}), "/client_secret"),
        (json!({"client_id": "a"}), "/client_secret"),
        (json!({"client_id": "a", "client_secret": "x", "more": 1}), "/more"),
    ] {
        assert_eq!(put("club", body).await.pointers("validation_failed"), [pointer]);
    }
    let app = json!({"client_id": OWN, "client_secret": OWN_SECRET});
    put("nobody", app.clone()).await.problem("not_found");
    put("%00", app.clone()).await.problem("not_found");
    deployment.delete(ADMIN, &format!("{APPS}/%00")).await.problem("not_found");
    deployment.put(USER, &format!("{APPS}/club"), &app).await.problem("insufficient_role");

    // A provider that the platform has no app at becomes one that can be connected to.
    let providers = || async { deployment.get_as(ADMIN, &format!("{AUTH}/providers")).await.expect(200) };
    assert_eq!(providers().await["providers"]["github"]["configured"], false);
    put("github", app).await.expect(200);
    assert_eq!(providers().await["providers"]["github"]["configured"], true);
    let listed = deployment.get_as(ADMIN, APPS).await;
    assert_eq!(each(&listed.expect(200)["oauth_apps"], "provider"), ["github"]);
    assert!(!listed.text.contains(OWN_SECRET));
    let of_other = deployment.get_as(OTHER, &format!("{AUTH}/providers")).await.expect(200);
    assert_eq!(of_other["providers"]["github"]["configured"], false);
}
