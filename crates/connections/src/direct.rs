//! Connections without a user's consent: API keys, and client credentials (RFC 6749, section 4.4).

use std::collections::BTreeMap;

use model::{TenantId, Violation};
use secrecy::{ExposeSecret, SecretString};

use crate::activity::{Action, Entry};
use crate::catalog::{Flow, Owner, Provider};
use crate::granted::{Connected, Granted};
use crate::manage::checked_label;
use crate::protocol::{App, CallError, Client, TokenAnswer, requested_scopes};
use crate::{Connections, Error, call_error};

/// The longest API key, client id or client secret.
const MAX_TEXT: usize = 8192;

/// What a connection without consent is made of.
#[derive(Debug, Clone)]
pub struct Direct {
    /// Whose connection it will be.
    pub tenant: TenantId,
    /// Who makes it.
    pub actor: String,
    /// To which provider.
    pub provider: String,
    /// Whose within the tenant. It says nothing where the provider's connections are the tenant's.
    pub user_email: String,
    /// What the user calls it.
    pub label: Option<String>,
    /// The values of the provider's variables.
    pub variables: BTreeMap<String, String>,
    /// What proves the right to it.
    pub grant: DirectGrant,
}

/// What proves the right to a connection without consent.
#[derive(Debug, Clone)]
pub enum DirectGrant {
    /// A key that the provider issued by hand.
    ApiKey(SecretString),
    /// A client's own id and secret.
    ClientCredentials {
        /// The id.
        client_id: String,
        /// The secret.
        client_secret: SecretString,
    },
}

impl Connections {
    /// Makes a connection without consent, once the provider has accepted what proves the right to it.
    ///
    /// # Errors
    /// [`Error::UnknownProvider`], [`Error::WrongFlow`], [`Error::Invalid`], [`Error::Call`] if the provider refuses.
    pub async fn connect(&self, mut direct: Direct) -> Result<Connected, Error> {
        let provider = self.provider(&direct.provider)?;
        check(&direct, &provider)?;
        direct.user_email = provider.owner.address(&direct.user_email).to_owned();
        let entry = Entry::new(&direct.tenant, &direct.actor, Action::Connect)
            .provider(&provider.id)
            .user_email(&direct.user_email);
        let connected = self.connect_to(&provider, direct).await;
        if connected.is_err() {
            self.activity.record(entry.ended(&connected));
        }
        connected
    }

    async fn connect_to(&self, provider: &Provider, direct: Direct) -> Result<Connected, Error> {
        let variables = provider.variables(&direct.variables)?;
        let called = |error| call_error(provider, error);
        let app = app(&direct.grant);
        let resolved = self.resolve(provider, &variables, &app.client_id).await?;
        let client = self.client(provider, &resolved, &app);
        let answer = prove(&direct.grant, client).await.map_err(called)?;
        let mut account = client.account(&answer).await.map_err(called)?;
        if account.id.is_empty() {
            account.id = self.account_id(provider, &app);
        }
        let granted = Granted {
            tenant: &direct.tenant,
            provider,
            user_email: Some(direct.user_email),
            client_id: &app.client_id,
            variables: &variables,
            label: direct.label.map(|label| label.trim().to_owned()),
            account,
            sites: Vec::new(),
            requested: requested_scopes(provider, &BTreeMap::new()),
            credentials: answer.tokens,
            actor: &direct.actor,
        };
        self.store_granted(granted).await
    }

    /// What stands for the account's id where the provider tells none: the client's, else one of our own, which keeps two
    /// keys of a user apart. A tenant has one connection, so that a new key takes the place of the former.
    fn account_id(&self, provider: &Provider, app: &App) -> String {
        match provider.owner {
            _ if !app.client_id.is_empty() => app.client_id.clone(),
            Owner::User => model::new_id(&self.ambient),
            Owner::Tenant => String::new(),
        }
    }
}

/// Who is to speak to the provider.
fn app(grant: &DirectGrant) -> App {
    match grant {
        DirectGrant::ApiKey(_) => App { client_id: String::new(), client_secret: None },
        DirectGrant::ClientCredentials { client_id, client_secret } => {
            App { client_id: client_id.clone(), client_secret: Some(client_secret.clone()) }
        }
    }
}

async fn prove(grant: &DirectGrant, client: Client<'_>) -> Result<TokenAnswer, CallError> {
    match grant {
        DirectGrant::ApiKey(key) => {
            client.probe(key).await?;
            Ok(TokenAnswer::of_key(client.provider, key))
        }
        DirectGrant::ClientCredentials { client_secret, .. } => {
            let mut answer = client.client_credentials(&[]).await?;
            for tokens in answer.tokens.values_mut() {
                // The secret is what the next access token is had with: the vault keeps it in the refresh token's place.
                tokens.refresh = Some(client_secret.clone());
            }
            Ok(answer)
        }
    }
}

fn check(direct: &Direct, provider: &Provider) -> Result<(), Error> {
    let wrong_flow = |given, instead| Error::WrongFlow { provider: direct.provider.clone(), given, instead };
    let texts = match (&direct.grant, provider.flow) {
        (DirectGrant::ApiKey(key), Flow::ApiKey) => vec![("/api_key", key.expose_secret())],
        (DirectGrant::ClientCredentials { client_id, client_secret }, Flow::ClientCredentials) => {
            vec![("/client_id", client_id.as_str()), ("/client_secret", client_secret.expose_secret())]
        }
        (_, Flow::AuthorizationCode) => {
            return Err(wrong_flow(
                "connection by key",
                "begin with GET /api/v1/unified/auth/{provider}/url",
            ));
        }
        (DirectGrant::ApiKey(_), Flow::ClientCredentials) => {
            return Err(wrong_flow("API key", "give client_id and client_secret"));
        }
        (DirectGrant::ClientCredentials { .. }, Flow::ApiKey) => {
            return Err(wrong_flow("client credentials", "give api_key"));
        }
    };
    let is_sound = |text: &str| {
        !text.is_empty() && text.len() <= MAX_TEXT && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let wrong = texts.into_iter().filter(|(_, text)| !is_sound(text));
    let mut wrong: Vec<Violation> = wrong
        .map(|(pointer, _)| {
            Violation::new(pointer, format!("must have 1 to {MAX_TEXT} visible ASCII characters"))
        })
        .collect();
    wrong.extend(direct.label.as_deref().and_then(|label| checked_label(label).err()));
    if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
}
