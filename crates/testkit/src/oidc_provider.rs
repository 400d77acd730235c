//! An OAuth 2.0 and OpenID Connect server that others wrote: npm `oidc-provider`.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::{Client, Url};
use serde_json::{Value, json};

use crate::browser::{Browser, answer, redirect_uri};
use crate::node;
use crate::peer::{Asked, ask, asked, client};
use crate::process::Peer;

/// How an [`OidcProvider`] begins.
#[derive(Debug, Clone)]
pub struct OidcOptions {
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// Where it may redirect to; more can follow by [`OidcProvider::allow_redirect_uri`].
    pub redirect_uris: Vec<String>,
    /// How the client must prove itself: `client_secret_basic`, `client_secret_post` or `none`.
    pub token_auth: String,
    /// How long access tokens live; whole seconds.
    pub access_token_lifetime: Duration,
    /// The people: ids (`sub`) with names. Each has the email address `<id>@example.com`.
    pub people: Vec<(String, String)>,
}

impl Default for OidcOptions {
    fn default() -> Self {
        let people = [("ann", "Ann Archer"), ("ben", "Ben Baker"), ("cleo", "Cleo Cooper")];
        Self {
            client_id: "jackfield".to_owned(),
            client_secret: "a secret of the client at the provider".to_owned(),
            redirect_uris: vec!["http://127.0.0.1:9/callback".to_owned()],
            token_auth: "client_secret_basic".to_owned(),
            access_token_lifetime: Duration::from_mins(5),
            people: people.map(|(id, name)| (id.to_owned(), name.to_owned())).to_vec(),
        }
    }
}

/// A running `oidc-provider` with one client: PKCE is required, refresh tokens rotate and are always given, the reuse of
/// one revokes the whole grant; it has userinfo, revocation (RFC 7009) and introspection (RFC 7662), and sends `iss`
/// (RFC 9207). Scopes: `openid`, `email`, `profile`, `offline_access`, `notes.read`, `notes.write`, `customers_write`, `read:jira-work`,
/// `write:jira-work`; userinfo needs
/// `openid`, and `offline_access` is only granted with `prompt=consent`. Its issuer is its base URL, and everything else
/// is in its discovery document. Killed when dropped.
#[derive(Debug)]
pub struct OidcProvider {
    _peer: Peer,
    base: String,
    options: OidcOptions,
    client: Client,
}

impl OidcProvider {
    /// Starts a server on a free port of loopback; takes about half a second.
    ///
    /// # Errors
    /// If Node or npm are missing, or the server does not start.
    pub fn start(options: OidcOptions) -> anyhow::Result<Self> {
        let users: Vec<Value> = options
            .people
            .iter()
            .map(|(id, name)| json!({"sub": id, "name": name, "email": format!("{id}@example.com")}))
            .collect();
        let mut registered = json!({
            "client_id": options.client_id,
            "redirect_uris": options.redirect_uris,
            "token_endpoint_auth_method": options.token_auth,
            "grant_types": ["authorization_code", "refresh_token"],
        });
        if options.token_auth != "none"
            && let Value::Object(fields) = &mut registered
        {
            fields.insert("client_secret".to_owned(), options.client_secret.clone().into());
        }
        let settings = json!({"accessTokenSeconds": options.access_token_lifetime.as_secs()});
        let peer = node::server(
            "oidc-provider.mjs",
            &json!({"clients": [registered], "users": users, "settings": settings}),
        )?;
        Ok(Self { base: peer.fact("base")?, _peer: peer, options, client: client()? })
    }

    /// The base URL, which is also the issuer; without a slash at the end.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What it was started with.
    pub fn options(&self) -> &OidcOptions {
        &self.options
    }

    /// Lets the client redirect to one more address.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn allow_redirect_uri(&self, uri: &str) -> anyhow::Result<()> {
        let body = json!({"client_id": self.options.client_id, "redirect_uris": [uri]});
        self.tell("redirect-uris", &body).await.map(drop)
    }

    /// Sets how long access tokens live that are given out from now on; whole seconds.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn set_access_token_lifetime(&self, lifetime: Duration) -> anyhow::Result<()> {
        self.tell("settings", &json!({"accessTokenSeconds": lifetime.as_secs()})).await.map(drop)
    }

    /// Makes the token endpoint slow: before it does what it is asked, and after, before it answers.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn set_token_delay(&self, before: Duration, after: Duration) -> anyhow::Result<()> {
        let body = json!({"delayBeforeMs": milliseconds(before), "delayAfterMs": milliseconds(after)});
        self.tell("settings", &body).await.map(drop)
    }

    /// Withdraws every grant given so far, as people do who remove an app from their account; gives how many.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn forget_grants(&self) -> anyhow::Result<u64> {
        let answer = self.tell("forget", &json!({})).await?;
        answer.get("grants").and_then(Value::as_u64).context("it does not say how many")
    }

    /// What the server was asked so far, oldest first. The endpoints are named `authorization`, `token`, `userinfo`,
    /// `introspection`, `revocation`, `discovery`, `jwks`, `resume`.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn log(&self) -> anyhow::Result<Vec<Asked>> {
        asked(&self.client, &self.base).await
    }

    /// How many token requests there were of a grant type (`authorization_code`, `refresh_token`), and how many of them
    /// succeeded.
    ///
    /// # Errors
    /// If the server is gone.
    pub async fn redemptions(&self, grant_type: &str) -> anyhow::Result<(usize, usize)> {
        let log = self.log().await?;
        let of_type = |asked: &&Asked| asked.endpoint == "token" && asked.is_of_grant_type(grant_type);
        let all = log.iter().filter(of_type).count();
        Ok((all, log.iter().filter(of_type).filter(|asked| asked.status == 200).count()))
    }

    /// Logs in as `person` (an id) in a fresh browser and allows everything that the authorization request asks for.
    /// Gives the address, with code and state, that the browser was then sent to, and does not go there.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn consent(&self, authorization: &str, person: &str) -> anyhow::Result<Url> {
        self.consent_in(&Browser::new()?, authorization, person, &[]).await
    }

    /// Like [`OidcProvider::consent`], in a browser that may be logged in already, and without the scopes `withheld`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn consent_in(
        &self,
        browser: &Browser,
        authorization: &str,
        person: &str,
        withheld: &[&str],
    ) -> anyhow::Result<Url> {
        let take_back =
            |form: crate::Form| withheld.iter().fold(form, |form, scope| form.untick("scope", scope));
        self.decide(browser, authorization, person, "Allow", take_back).await
    }

    /// Logs in as `person` in a fresh browser and denies. Gives the address, with error and state, that the browser was
    /// then sent to.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn deny(&self, authorization: &str, person: &str) -> anyhow::Result<Url> {
        self.decide(&Browser::new()?, authorization, person, "Deny", |form| form).await
    }

    async fn decide(
        &self,
        browser: &Browser,
        authorization: &str,
        person: &str,
        button: &str,
        fill_in: impl FnOnce(crate::Form) -> crate::Form,
    ) -> anyhow::Result<Url> {
        let known = self.options.people.iter().find(|(id, _)| id == person);
        let (_, name) = known.with_context(|| format!("{person} is not among the people"))?;
        let stop = redirect_uri(authorization)?;
        let mut page = browser.follow(browser.get(authorization).await?, &stop).await?;
        if page.body.contains("Who are you?") {
            let form = page.form(name)?.press(name)?;
            page = browser.follow(browser.submit(&form).await?, &stop).await?;
        }
        if page.location.is_none() {
            let form = fill_in(page.form(button)?.press(button)?);
            page = browser.follow(browser.submit(&form).await?, &stop).await?;
        }
        answer(page, &stop)
    }

    async fn tell(&self, what: &str, body: &Value) -> anyhow::Result<Value> {
        let answer = ask(self.client.post(format!("{}/test/{what}", self.base)).json(body)).await?;
        ensure!(answer.get("error").is_none(), "{answer}");
        Ok(answer)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
