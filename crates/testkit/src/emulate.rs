//! Google and Slack as others emulate them: npm `emulate`.

use anyhow::ensure;
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::browser::{Browser, answer, redirect_uri};
use crate::node;
use crate::peer::{Asked, ask, asked, client};
use crate::process::Peer;

/// Google and Slack, emulated, each on a port of its own, with what is in `tests/providers/emulate-seed.json`. Only
/// tokens that they gave out and that were not revoked are taken. Killed when dropped.
///
/// What they do not do: Google's refresh tokens do not rotate and access tokens do not expire (but can be revoked);
/// Slack takes POST alone for most methods and has no rotation, no `auth.revoke` and no search; neither lets a person
/// say no; redirect addresses are compared without their query, and Google takes the secret from the body alone.
#[derive(Debug)]
pub struct Emulate {
    _peer: Peer,
    google: String,
    slack: String,
    client: Client,
}

impl Emulate {
    /// The id of the client at both.
    pub const CLIENT_ID: &str = "jackfield";
    /// The secret of the client at both.
    pub const CLIENT_SECRET: &str = "a secret of the client at the emulated providers";
    /// A person who has an account at both, with mails, files, events and channels.
    pub const ANN: &str = "ann@example.com";
    /// Another one.
    pub const BEN: &str = "ben@example.com";

    /// Starts both on free ports of loopback; takes about half a second. Addresses to redirect to can also follow by
    /// [`Emulate::allow_redirect_uri`].
    ///
    /// # Errors
    /// If Node or npm are missing, or they do not start.
    pub fn start(redirect_uris: &[&str]) -> anyhow::Result<Self> {
        let app = json!({
            "client_id": Self::CLIENT_ID,
            "client_secret": Self::CLIENT_SECRET,
            "redirect_uris": redirect_uris,
        });
        let peer = node::server("emulate.mjs", &json!({"google": app, "slack": app}))?;
        Ok(Self { google: peer.fact("google")?, slack: peer.fact("slack")?, _peer: peer, client: client()? })
    }

    /// Google's base URL: `/o/oauth2/v2/auth`, `/oauth2/token`, `/oauth2/revoke`, `/oauth2/v2/userinfo`, `/gmail/v1`,
    /// `/calendar/v3`, `/drive/v3` and the discovery document are below it.
    pub fn google(&self) -> &str {
        &self.google
    }

    /// Slack's base URL: `/oauth/v2/authorize`, `/api/oauth.v2.access` and the rest of `/api` are below it.
    pub fn slack(&self) -> &str {
        &self.slack
    }

    /// Lets the client redirect to one more address, at both.
    ///
    /// # Errors
    /// If they are gone.
    pub async fn allow_redirect_uri(&self, uri: &str) -> anyhow::Result<()> {
        for base in [&self.google, &self.slack] {
            let body = json!({"redirect_uris": [uri]});
            let answer: Value =
                ask(self.client.post(format!("{base}/test/redirect-uris")).json(&body)).await?;
            ensure!(answer.get("error").is_none(), "{answer}");
        }
        Ok(())
    }

    /// What Google was asked so far, oldest first; endpoints are paths.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn google_log(&self) -> anyhow::Result<Vec<Asked>> {
        asked(&self.client, &self.google).await
    }

    /// What Slack was asked so far, oldest first; endpoints are paths.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn slack_log(&self) -> anyhow::Result<Vec<Asked>> {
        asked(&self.client, &self.slack).await
    }

    /// Opens an authorization request of either in a browser and chooses the person with this email address. Gives the
    /// address, with code and state, that the browser was then sent to, and does not go there.
    ///
    /// # Errors
    /// If it refuses.
    pub async fn consent(&self, authorization: &str, email: &str) -> anyhow::Result<Url> {
        let browser = Browser::new()?;
        let stop = redirect_uri(authorization)?;
        let page = browser.get(authorization).await?;
        let page = browser.submit(&page.form(email)?).await?;
        answer(page, &stop)
    }
}
