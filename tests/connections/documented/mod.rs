//! The document of the connectors' server, line by line: `serve --dev` with Google and Slack emulated, and with a site of
//! Atlassian's whose authorization server is `oidc-provider` and whose Jira is the vendor's own description of it.

mod endpoints;
mod lines;
mod record;

use std::process::Command;

use axum::http::HeaderMap;
use axum::{Json, Router, routing};
use reqwest::Url;
use serde_json::{Value, json};
use testkit::{Backend, Builder, Emulate, OidcOptions, OidcProvider, Prism};

use super::emulated::{GOOGLE_CALLBACK, SLACK_CALLBACK, furnished_with};
use super::parameter;
use crate::deployment::Deployment;

/// What the document has its server at.
const DOCUMENTED: &str = "http://127.0.0.1:8081";
const ATLASSIAN_CALLBACK: &str = "http://127.0.0.1:8081/auth/atlassian/callback";
/// The user of the document, who has an account at Google and at Atlassian, and installs the app in Slack.
const USER: &str = "user@example.com";
const SITE: &str = "1324a887-45db-1bf4-1e99-ef0ff456d421";

/// All that the connectors need at Google.
const GOOGLE_SCOPES: &str = "openid email profile https://mail.google.com/ https://www.googleapis.com/auth/drive \
    https://www.googleapis.com/auth/calendar";
const SLACK_SCOPES: &str = "channels:read channels:history chat:write users:read";

/// The document's server, and what stands for its providers.
struct Documented {
    deployment: Deployment,
    emulate: Emulate,
    atlassian: OidcProvider,
    _jira: Prism,
}

impl Documented {
    async fn start(backend: Backend) -> Self {
        Self::start_with(backend, |builder| builder.set("GOOGLE_SCOPES", GOOGLE_SCOPES)).await
    }

    async fn start_with(backend: Backend, set: impl FnOnce(Builder) -> Builder) -> Self {
        let emulate = Emulate::start(&[GOOGLE_CALLBACK, SLACK_CALLBACK]).unwrap();
        let people = vec![("user".to_owned(), "Una User".to_owned())];
        let atlassian = OidcProvider::start(OidcOptions { people, ..OidcOptions::default() }).unwrap();
        atlassian.allow_redirect_uri(ATLASSIAN_CALLBACK).await.unwrap();
        let below = format!("/ex/jira/{SITE}");
        let jira = Prism::start("jira", &below).unwrap();
        let root = jira.base().strip_suffix(&below).unwrap();
        let sites = sites().await;
        let rules = json!([{"role": "user", "provider": "gmail", "methods": ["GET"], "paths": ["/**"]}]);
        let deployment = furnished_with(backend, &emulate, |builder| {
            set(at_atlassian(builder, &atlassian, &sites))
                .arg("--dev")
                .set("JIRA_BASE_URL", root)
                .set("SLACK_SCOPES", SLACK_SCOPES)
                .set("PROXY_RULES", rules.to_string())
        });
        Self { deployment, emulate, atlassian, _jira: jira }
    }

    /// Follows the document's flow for each provider.
    async fn connected(backend: Backend) -> Self {
        let documented = Self::start(backend).await;
        for provider in ["google", "slack", "atlassian"] {
            documented.connect(provider).await;
        }
        documented
    }

    /// Runs a documented line in a shell, `curl` with an address, where this server stands in for the document's.
    async fn curl(&self, line: &str) -> Value {
        assert!(line.starts_with("curl \"http://127.0.0.1:8081/"), "{line}");
        let line = line.replacen(DOCUMENTED, self.deployment.base(), 1);
        let script = format!("{line} --silent --show-error --fail-with-body");
        let run = move || Command::new("sh").args(["-c", &script]).output().unwrap();
        // Elsewhere, as what answers for Atlassian is served here.
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{line}: {text} {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap()
    }

    /// Signs the user in at `provider` by the documented lines.
    async fn connect(&self, provider: &str) -> Value {
        let line = lines::BEGIN.replace("google", provider);
        // Slack does not tell who installs an app.
        let line = match provider {
            "slack" => format!("{}?user_email={USER}\"", line.trim_end_matches('"')),
            _ => line,
        };
        let begun = self.curl(&line).await;
        assert_eq!((&begun["success"], &begun["provider"]), (&true.into(), &provider.into()));
        let address = self.consent(provider, begun["auth_url"].as_str().unwrap()).await;
        let connected = self.curl(&callback(provider, &address)).await;
        assert_eq!((&connected["success"], &connected["user_email"]), (&true.into(), &USER.into()));
        connected
    }

    /// Where the provider sends the user who has consented.
    async fn consent(&self, provider: &str, auth_url: &str) -> Url {
        match provider {
            "google" => self.emulate.consent(auth_url, USER).await.unwrap(),
            "slack" => self.emulate.consent(auth_url, Emulate::ANN).await.unwrap(),
            _ => self.atlassian.consent(auth_url, "user").await.unwrap(),
        }
    }
}

/// The documented line that a provider's address is followed by.
fn callback(provider: &str, address: &Url) -> String {
    let encoded = |name: &str| {
        url::form_urlencoded::byte_serialize(parameter(address, name).as_bytes()).collect::<String>()
    };
    let line = lines::CALLBACK.replace("google", provider);
    let line = line.replace("AUTH_CODE", &encoded("code")).replace("STATE", &encoded("state"));
    // What a provider sends besides, as RFC 9207 has it, is handed on.
    if address.query_pairs().any(|(name, _)| name == "iss") {
        format!("{}&iss={}\"", line.trim_end_matches('"'), encoded("iss"))
    } else {
        line
    }
}

/// The built-in entry, with its hosts and what differs between two authorization servers replaced.
fn at_atlassian(builder: Builder, provider: &OidcProvider, sites: &str) -> Builder {
    let base = provider.base();
    let entry = format!(
        "[providers.atlassian]\nauthorization_url = \"{base}/auth\"\ntoken_url = \"{base}/token\"\nuserinfo_url = \"{base}/me\"\n\
         token_auth = \"client_secret_basic\"\nbody_format = \"form\"\n\
         default_scopes = [\"openid\", \"email\", \"profile\", \"offline_access\", \"read:jira-work\", \"write:jira-work\"]\n\
         account = {{ id = \"/sub\", email = \"/email\", name = \"/name\" }}\n\
         sites = {{ url = \"{sites}\", id = \"/id\", name = \"/name\", address = \"/url\" }}\n"
    );
    let file = builder.folder().join("providers.toml");
    let others = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, others + &entry).unwrap();
    builder
        .set("ATLASSIAN_CLIENT_ID", &provider.options().client_id)
        .set("ATLASSIAN_CLIENT_SECRET", &provider.options().client_secret)
        .set("ATLASSIAN_REDIRECT_URI", ATLASSIAN_CALLBACK)
}

/// Lists the site to whoever has a token, until the test ends; gives its address:
/// <https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/#3-1-get-the-cloudid-for-your-site>
async fn sites() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oauth/token/accessible-resources", listener.local_addr().unwrap());
    let list = async |headers: HeaderMap| {
        assert!(headers["authorization"].to_str().unwrap().starts_with("Bearer "));
        Json(json!([{"id": SITE, "name": "acme", "url": "https://acme.atlassian.net",
            "scopes": ["read:jira-work", "write:jira-work"],
            "avatarUrl": "https://site-admin-avatar-cdn.prod.public.atl-paas.net/avatars/240/flag.png"}]))
    };
    let app = Router::new().route("/oauth/token/accessible-resources", routing::get(list));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}
