//! Completing a flow: the callback, from the checks to the stored tokens.

use model::TenantId;
use secrecy::SecretString;

use super::{Browser, Flow};
use crate::activity::{Action, Entry};
use crate::catalog::{Provider, ProviderId, Resolved};
use crate::granted::{Connected, Granted};
use crate::protocol::requested_scopes;
use crate::store::flows;
use crate::{Connections, Error, call_error, to_its_end};

/// What the provider sent the browser back with.
#[derive(Debug, Default)]
pub struct Callback<'a> {
    /// The provider whose callback was called.
    pub provider: &'a str,
    /// The tenant that the request's own credential, if any, holds in.
    pub tenant: Option<&'a TenantId>,
    /// The browser that came back.
    pub browser: Option<&'a Browser>,
    /// `state`.
    pub state: Option<&'a str>,
    /// `code`.
    pub code: Option<SecretString>,
    /// `error`.
    pub error: Option<&'a str>,
    /// `iss` (RFC 9207).
    pub iss: Option<&'a str>,
}

/// What of a callback concerns the provider alone.
struct Answer {
    code: Option<SecretString>,
    error: Option<String>,
    iss: Option<String>,
}

/// The end of a flow whose state was sound.
#[derive(Debug)]
pub struct Completion {
    /// Where the browser is to go.
    pub return_to: Option<String>,
    /// The connect session that the flow is part of, by its token.
    pub session: Option<SecretString>,
    /// The caller's own value.
    pub app_state: Option<String>,
    /// What came of it.
    pub result: Result<Connected, Error>,
}

impl Connections {
    /// Completes the flow that the state names. Nothing is changed unless all of it holds. A caller that is dropped after
    /// the flow was taken stops nothing: the code can be redeemed once.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::OtherBrowser`], [`Error::FlowRedeemed`] where the answer cannot be trusted to belong
    /// to a flow of this browser. What goes wrong from there is in [`Completion::result`].
    pub async fn complete(&self, callback: Callback<'_>) -> Result<Completion, Error> {
        let flow = Flow::open(&self.tickets, callback.state.unwrap_or_default())?;
        let tenant = flow.tenant()?;
        if flow.provider != callback.provider || callback.tenant.is_some_and(|own| *own != tenant) {
            return Err(Error::State);
        }
        let checked = flow.check_browser(callback.browser.map(Browser::hash).as_deref());
        self.note_failure(&flow, &tenant, &checked);
        checked?;
        let answer = Answer {
            code: callback.code,
            error: callback.error.map(str::to_owned),
            iss: callback.iss.map(str::to_owned),
        };
        let this = self.clone();
        to_its_end(async move { this.conclude(flow, tenant, answer).await }).await
    }

    async fn conclude(&self, flow: Flow, tenant: TenantId, answer: Answer) -> Result<Completion, Error> {
        let redeemed = self.redeem_flow(&flow).await;
        self.note_failure(&flow, &tenant, &redeemed);
        redeemed?;
        let result = self.finish(&flow, &tenant, answer).await;
        self.note_failure(&flow, &tenant, &result);
        Ok(Completion {
            return_to: flow.return_to,
            session: flow.session.map(SecretString::from),
            app_state: flow.app_state,
            result,
        })
    }

    fn note_failure<T>(&self, flow: &Flow, tenant: &TenantId, result: &Result<T, Error>) {
        if result.is_err() {
            let entry = Entry::new(tenant, &flow.actor, Action::Authorize).ended(result);
            let entry = entry.provider(&ProviderId::from_stored(flow.provider.clone()));
            self.activity.record(match &flow.user_email {
                Some(user_email) => entry.user_email(user_email),
                None => entry,
            });
        }
    }

    /// Takes the flow: in time, once.
    async fn redeem_flow(&self, flow: &Flow) -> Result<(), Error> {
        flow.check_age(self.ambient.now())?;
        let mut tx = self.database.begin().await?;
        let ends = model::Timestamp::from_millisecond(flow.expires_at);
        if !flows::redeem(&mut tx, &flow.id, ends).await? {
            return Err(Error::FlowRedeemed);
        }
        Ok(tx.commit().await?)
    }

    async fn finish(&self, flow: &Flow, tenant: &TenantId, answer: Answer) -> Result<Connected, Error> {
        let provider = self.consent_provider(&flow.provider)?;
        let resolved = self.resolve(&provider, &flow.variables, &flow.client_id).await?;
        check_issuer(&resolved, answer.iss.as_deref())?;
        if let Some(code) = &answer.error {
            return Err(answered(&provider, code));
        }
        let code = answer.code.ok_or(Error::CodeMissing)?;
        let app = self.apps.of_tenant(tenant, &provider.id).await?;
        if app.client_id != flow.client_id {
            return Err(Error::ChangedMeanwhile("the OAuth app"));
        }
        let called = |error| call_error(&provider, error);
        let redirect_uri = self.redirect_uri(&provider.id)?;
        let client = self.client(&provider, &resolved, &app);
        let verifier = flow.verifier();
        let answer = client.exchange_code(&code, &verifier, redirect_uri.as_str()).await.map_err(called)?;
        let account = client.account(&answer).await.map_err(called)?;
        let sites = client.sites(&answer).await.map_err(called)?;
        let granted = Granted {
            tenant,
            provider: &provider,
            user_email: flow.user_email.clone(),
            client_id: &flow.client_id,
            variables: &flow.variables,
            label: None,
            account,
            sites,
            requested: requested_scopes(&provider, &flow.asked(&provider)),
            credentials: answer.tokens,
            actor: &flow.actor,
        };
        self.store_granted(granted).await
    }
}

/// RFC 9207, section 2.4.
fn check_issuer(resolved: &Resolved, iss: Option<&str>) -> Result<(), Error> {
    match (&resolved.issuer, iss) {
        (Some(issuer), Some(iss)) if issuer == iss => Ok(()),
        (Some(_), Some(_)) => Err(Error::Issuer),
        (_, None) if resolved.promises_iss => Err(Error::Issuer),
        // Who has no issuer in the catalog has a callback of its own, which is what tells it from others.
        (None, Some(_)) | (_, None) => Ok(()),
    }
}

/// An error answer (RFC 6749, section 4.1.2.1), its word cut to what is safe to repeat.
fn answered(provider: &Provider, code: &str) -> Error {
    if code == "access_denied" {
        return Error::AccessDenied(provider.name.clone());
    }
    let code = code.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '_').take(64).collect();
    Error::Answered { provider: provider.name.clone(), code }
}
