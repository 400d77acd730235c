//! The admin pages of a Lexmodo platform, which show a plugin in a frame.

use anyhow::ensure;
use reqwest::Client;
use serde_json::{Value, json};

use crate::peer::{ask, client};
use crate::process::Peer;
use crate::python;

/// How a [`Platform`] begins.
#[derive(Debug, Clone)]
pub struct PlatformOptions {
    /// The `PLUGIN_CODE`.
    pub plugin_code: String,
    /// The `APP_SECRET` that session tokens are signed with.
    pub secret: String,
    /// The URL that the frame shows, `?session_token=…` is added; can also follow by [`Platform::show`].
    pub plugin_url: Option<String>,
}

impl Default for PlatformOptions {
    fn default() -> Self {
        Self {
            plugin_code: "jackfield".to_owned(),
            secret: "an APP_SECRET of tests, 32 bytes or longer".to_owned(),
            plugin_url: None,
        }
    }
}

/// Running admin pages: `/plugins/<code>?store=7` shows the plugin in a frame, with a fresh session token made by `PyJWT`.
/// The origin, which is the `ISSUER`, is `http://localhost:…`: another site than `http://127.0.0.1:…` where the plugin is.
/// What else the page can be asked for is in `tests/lexmodo/platform_admin.py`. Killed when dropped.
#[derive(Debug)]
pub struct Platform {
    _peer: Peer,
    origin: String,
    options: PlatformOptions,
    client: Client,
}

impl Platform {
    /// Starts it on a free port of loopback; takes about half a second, the first one of all about ten.
    ///
    /// # Errors
    /// If Python is missing, or it does not start.
    pub fn start(options: PlatformOptions) -> anyhow::Result<Self> {
        let setup = json!({
            "plugin_code": options.plugin_code, "secret": options.secret, "plugin_url": options.plugin_url,
        });
        let peer = python::server("platform_admin.py", &[setup.to_string()])?;
        Ok(Self { origin: peer.fact("origin")?, _peer: peer, options, client: client()? })
    }

    /// The origin of the pages, without a slash at the end: the `ISSUER`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// What it was started with.
    pub fn options(&self) -> &PlatformOptions {
        &self.options
    }

    /// Shows the plugin at another URL.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn show(&self, plugin_url: &str) -> anyhow::Result<()> {
        let request = self.client.put(format!("{}/test/setup", self.origin));
        let answer: Value = ask(request.json(&json!({"plugin_url": plugin_url}))).await?;
        ensure!(answer.get("error").is_none(), "{answer}");
        Ok(())
    }
}
