//! Beginning a flow: the address at the provider to which the user's browser is sent.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{TenantId, Violation};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{Browser, Flow};
use crate::catalog::{self, Owner, Provider};
use crate::protocol::{App, AuthorizationRequest, requested_scopes};
use crate::{Connections, Error};

/// How long a user has from the first link to the callback.
const LIFETIME: Duration = Duration::from_mins(10);

/// The longest opaque value of a caller: it travels in URLs.
const MAX_APP_STATE: usize = 512;
const MAX_SCOPES: usize = 100;
const MAX_SCOPE: usize = 256;

/// What a flow is begun with.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Whose connection it will be.
    pub tenant: TenantId,
    /// Who begins.
    pub actor: String,
    /// Where.
    pub provider: String,
    /// Whose connection within the tenant; the account's own e-mail address where `None`. It says nothing where the
    /// provider's connections are the tenant's.
    pub user_email: Option<String>,
    /// What to ask for; the provider's defaults where empty.
    pub scopes: Vec<String>,
    /// What to ask for of the credentials after the first, by their names.
    pub further_scopes: BTreeMap<String, Vec<String>>,
    /// Where the browser goes in the end. Held against the allow-list by the caller's origins.
    pub return_to: Option<String>,
    /// An opaque value that is handed back in the end.
    pub app_state: Option<String>,
    /// The values of the provider's variables.
    pub variables: BTreeMap<String, String>,
    /// The connect session that the flow is part of, by its token.
    pub session: Option<SecretString>,
}

/// A flow that was begun.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where the user's browser goes.
    pub auth_url: Url,
    /// The caller's own value if it gave one, else the flow's state.
    pub state: String,
}

/// What a link would begin, for the person who opens it.
#[derive(Debug, Clone)]
pub struct Link {
    /// The provider's name for people.
    pub provider_name: String,
    /// Whose connection it would be; `None` for the account's own, and for the tenant's.
    pub user_email: Option<String>,
    /// Whether it would be a user's or the tenant's.
    pub owner: Owner,
    /// In which tenant.
    pub tenant: TenantId,
    /// Whether the person must be asked first.
    pub confirm: bool,
}

impl Connections {
    /// Begins a flow that the same `browser` must complete; any may where it is `None`, which is for programs that a
    /// developer runs on their own machine.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::NotConfigured`], [`Error::WrongFlow`], [`Error::Invalid`].
    pub async fn begin(&self, begin: Begin, browser: Option<&Browser>) -> Result<Begun, Error> {
        let provider = self.consent_provider(&begin.provider)?;
        let mut flow = self.flow(begin, &provider).await?;
        flow.browser = browser.map(Browser::hash);
        let app_state = flow.app_state.clone();
        let (auth_url, state) = self.authorization_url(&provider, &flow).await?;
        Ok(Begun { auth_url, state: app_state.unwrap_or(state) })
    }

    /// Begins a flow in whichever browser opens the link; that one must complete it, and only once. For callers that are
    /// not in the user's browser. With `confirm` its user is asked first: who sends the link is then not trusted to have
    /// told whose connection it will be.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_link(&self, begin: Begin, confirm: bool) -> Result<Begun, Error> {
        let provider = self.consent_provider(&begin.provider)?;
        let flow = Flow { confirm, ..self.flow(begin, &provider).await? };
        let link = flow.seal_link(&self.tickets)?;
        let path = format!("api/v1/unified/auth/{}/begin", provider.id);
        let mut auth_url = self.address(&path)?;
        auth_url.query_pairs_mut().append_pair("link", &link);
        Ok(Begun { auth_url, state: flow.app_state.unwrap_or(flow.id) })
    }

    /// What the link would begin.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::FlowExpired`].
    pub fn link(&self, provider: &str, link: &str) -> Result<Link, Error> {
        let (flow, provider) = self.open_link(provider, link)?;
        Ok(Link {
            provider_name: provider.name.clone(),
            tenant: flow.tenant()?,
            confirm: flow.confirm,
            owner: provider.owner,
            user_email: flow.user_email,
        })
    }

    /// Where `browser`, which opened the link, goes.
    ///
    /// # Errors
    /// [`Error::State`], [`Error::FlowExpired`].
    pub async fn follow_link(&self, provider: &str, link: &str, browser: &Browser) -> Result<Url, Error> {
        let (mut flow, provider) = self.open_link(provider, link)?;
        flow.browser = Some(browser.hash());
        Ok(self.authorization_url(&provider, &flow).await?.0)
    }

    fn open_link(&self, provider: &str, link: &str) -> Result<(Flow, std::sync::Arc<Provider>), Error> {
        let flow = Flow::open_link(&self.tickets, link)?;
        if flow.provider != provider {
            return Err(Error::State);
        }
        flow.check_age(self.ambient.now())?;
        let provider = self.consent_provider(provider)?;
        Ok((flow, provider))
    }

    async fn flow(&self, begin: Begin, provider: &Provider) -> Result<Flow, Error> {
        check(&begin, provider)?;
        let app = self.apps.of_tenant(&begin.tenant, &provider.id).await?;
        Ok(Flow {
            id: Flow::random::<16>(&self.ambient),
            tenant: begin.tenant.to_string(),
            provider: provider.id.to_string(),
            expires_at: self.ambient.now().plus(LIFETIME).as_millisecond(),
            browser: None,
            confirm: false,
            // Nobody's address goes to the provider as a hint, or to the activity log, for what is the tenant's.
            user_email: begin.user_email.filter(|_| provider.owner == Owner::User),
            return_to: begin.return_to,
            app_state: begin.app_state,
            client_id: app.client_id,
            further_scopes: begin.further_scopes,
            scopes: if begin.scopes.is_empty() { self.set_scopes(provider) } else { begin.scopes },
            variables: provider.variables(&begin.variables)?,
            session: begin.session.map(|token| token.expose_secret().to_owned()),
            actor: begin.actor,
            verifier: Flow::random::<32>(&self.ambient),
        })
    }

    /// What is asked for at this provider where a caller asks for nothing.
    pub(crate) fn usual_scopes(&self, provider: &Provider) -> Vec<String> {
        let set = self.set_scopes(provider);
        if set.is_empty() { provider.default_scopes.clone() } else { set }
    }

    /// What the operator has set to be asked for at this provider; empty for the catalog's defaults.
    fn set_scopes(&self, provider: &Provider) -> Vec<String> {
        let app = self.catalog.app(&provider.id);
        app.and_then(|app| app.scopes.clone()).unwrap_or_default()
    }

    async fn authorization_url(&self, provider: &Provider, flow: &Flow) -> Result<(Url, String), Error> {
        let resolved = self.resolve(provider, &flow.variables, &flow.client_id).await?;
        let state = flow.seal(&self.tickets)?;
        let redirect_uri = self.redirect_uri(&provider.id)?;
        let login_hint = flow.user_email.iter().map(|email| ("login_hint".to_owned(), email.clone()));
        let request = AuthorizationRequest {
            redirect_uri: redirect_uri.as_str(),
            state: &state,
            verifier: &flow.verifier(),
            scopes: &requested_scopes(provider, &flow.asked(provider)),
            extra: &login_hint.collect(),
        };
        let app = App { client_id: flow.client_id.clone(), client_secret: None };
        let url = self.client(provider, &resolved, &app).authorization_url(&request);
        Ok((url.ok_or_else(|| Error::NotConfigured(provider.id.to_string()))?, state))
    }

    /// The provider of this name, if its connections come about by consent.
    pub(crate) fn consent_provider(&self, name: &str) -> Result<std::sync::Arc<Provider>, Error> {
        let provider = self.provider(name)?;
        if provider.flow == catalog::Flow::AuthorizationCode {
            return Ok(provider);
        }
        Err(Error::WrongFlow {
            provider: name.to_owned(),
            given: "consent of a user",
            instead: "make the connection with POST /api/v1/unified/connections",
        })
    }
}

/// RFC 6749, section 3.3, without what the provider separates scopes by.
fn check_scopes(pointer: &str, scopes: &[String], provider: &Provider, wrong: &mut Vec<Violation>) {
    if scopes.len() > MAX_SCOPES {
        wrong.push(Violation::new(pointer, format!("there may be at most {MAX_SCOPES} scopes")));
    }
    let is_scope = |scope: &String| {
        (1..=MAX_SCOPE).contains(&scope.len())
            && scope.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
            && !scope.contains(&provider.scope_separator)
    };
    for (index, _) in scopes.iter().enumerate().filter(|(_, scope)| !is_scope(scope)) {
        wrong.push(Violation::new(
            format!("{pointer}/{index}"),
            format!("a scope must have 1 to {MAX_SCOPE} visible ASCII characters without quotes"),
        ));
    }
}

fn check(begin: &Begin, provider: &Provider) -> Result<(), Error> {
    let mut wrong = Vec::new();
    if begin.app_state.as_ref().is_some_and(|state| state.len() > MAX_APP_STATE) {
        wrong.push(Violation::new("/state", format!("state must have at most {MAX_APP_STATE} bytes")));
    }
    check_scopes("/scopes", &begin.scopes, provider, &mut wrong);
    let further = provider.credentials.iter().skip(1).map(|shape| shape.name.as_str());
    let further: Vec<&str> = further.collect();
    for (name, scopes) in &begin.further_scopes {
        if further.contains(&name.as_str()) {
            check_scopes(&format!("/scopes/{name}"), scopes, provider, &mut wrong);
        } else {
            let detail = if further.is_empty() {
                "the provider has one credential: its scopes are asked for as scopes".to_owned()
            } else {
                format!("the further credentials of the provider are: {}", further.join(", "))
            };
            wrong.push(Violation::new("/scopes", detail));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}
