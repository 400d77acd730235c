//! The lines of the documented backend that sign users in, as they are, against `serve --dev`.

use reqwest::{Method, Url};
use testkit::{Backend, Browser, Emulate};

use super::{parameter, with_providers};
use crate::deployment::{Answer, Deployment, on_both_backends};

on_both_backends!(the_documented_lines_connect_google, the_sandbox_needs_no_account_anywhere);

/// What the document has its server at.
const DOCUMENTED: &str = "http://127.0.0.1:8081";

/// Runs a documented line: `curl` with nothing but an address.
async fn curl(deployment: &Deployment, line: &str) -> Answer {
    let address = line.strip_prefix("curl \"").unwrap().strip_suffix('"').unwrap();
    Answer::of(deployment.server.get(address.strip_prefix(DOCUMENTED).unwrap())).await
}

async fn finish(deployment: &Deployment, provider: &str, address: &Url) -> serde_json::Value {
    let line =
        format!("curl \"{DOCUMENTED}/api/v1/unified/auth/{provider}/callback?code=AUTH_CODE&state=STATE\"");
    let line = line.replace("AUTH_CODE", &parameter(address, "code"));
    let line = line.replace("STATE", &parameter(address, "state"));
    // The sandbox promises to say who answers, as RFC 9207 has it; Google does not.
    let iss = address.query_pairs().find(|(name, _)| name == "iss").map(|(_, iss)| iss.into_owned());
    let line = iss.map_or(line.clone(), |iss| {
        let iss: String = url::form_urlencoded::byte_serialize(iss.as_bytes()).collect();
        format!("{}&iss={iss}\"", line.trim_end_matches('"'))
    });
    curl(deployment, &line).await.expect(200)
}

async fn the_documented_lines_connect_google(backend: Backend) {
    // The document's redirect URI is registered there, and its proxy leads here.
    let callback = format!("{DOCUMENTED}/auth/google/callback");
    let emulate = Emulate::start(&[&callback]).unwrap();
    let google = emulate.google();
    let file = format!(
        "[providers.google]\nauthorization_url = \"{google}/o/oauth2/v2/auth\"\ntoken_url = \"{google}/oauth2/token\"\n\
         userinfo_url = \"{google}/oauth2/v2/userinfo\"\nrevocation_url = \"{google}/oauth2/revoke\"\n"
    );
    let deployment = with_providers(backend, &file, |builder| {
        builder
            .arg("--dev")
            .set("GOOGLE_CLIENT_ID", Emulate::CLIENT_ID)
            .set("GOOGLE_CLIENT_SECRET", Emulate::CLIENT_SECRET)
            .set("GOOGLE_REDIRECT_URI", callback)
    });
    let begun =
        curl(&deployment, "curl \"http://127.0.0.1:8081/api/v1/unified/auth/google/url\"").await.expect(200);
    assert_eq!((&begun["success"], &begun["provider"]), (&true.into(), &"google".into()));
    let address = emulate.consent(begun["auth_url"].as_str().unwrap(), Emulate::ANN).await.unwrap();
    let connected = finish(&deployment, "google", &address).await;
    assert_eq!(connected["user_email"], Emulate::ANN, "{connected:#}");
    let user = "user_email=ann@example.com";
    let status = deployment.get(&format!("/api/v1/unified/auth/status?{user}")).await.expect(200);
    assert_eq!(status["providers"]["google"]["connected"], true, "{status:#}");
}

async fn the_sandbox_needs_no_account_anywhere(backend: Backend) {
    let deployment = Deployment::start_with(backend, |builder| builder.arg("--dev"));
    let begun =
        curl(&deployment, "curl \"http://127.0.0.1:8081/api/v1/unified/auth/sandbox/url\"").await.expect(200);
    let browser = Browser::new().unwrap();
    let page = browser.get(begun["auth_url"].as_str().unwrap()).await.unwrap();
    let forms = page.forms();
    let form = forms.first().unwrap_or_else(|| panic!("nothing to consent to: {}", page.body));
    let sent = browser.submit(&form.clone().press("Allow").unwrap()).await.unwrap();
    let address = sent.location.unwrap_or_else(|| panic!("no way back: {}", sent.body));
    let connected = finish(&deployment, "sandbox", &address).await;
    let email = connected["user_email"].as_str().unwrap();
    let path = |verb: &str| format!("/api/v1/unified/auth/{verb}?user_email={email}");
    let valid = deployment.get(&path("sandbox/validate")).await.expect(200);
    assert_eq!(valid["valid"], true, "{valid:#}");
    deployment.get(&path("sandbox/refresh")).await.expect(200);
    let revoke = deployment.server.request(Method::DELETE, &path("sandbox/revoke"));
    let revoked = Answer::of(revoke).await.expect(200);
    assert_eq!(revoked["revoked_at_provider"], true, "{revoked:#}");
    let status = deployment.get(&path("status")).await.expect(200);
    assert_eq!(status["providers"]["sandbox"]["connected"], false, "{status:#}");
}
