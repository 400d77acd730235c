//! Connect sessions: for ten minutes, whoever holds the link may connect and disconnect accounts of one user, and those
//! of the tenant itself if their providers were named.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{TenantId, Timestamp, Violation};
use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

use crate::catalog::Owner;
use crate::connection::Connection;
use crate::manage::{ProviderInfo, not_found};
use crate::store::sessions::{self, SessionRow};
use crate::{
    Begin, Browser, Changes, Connected, Connections, Direct, DirectGrant, Error, Listing, Revocation,
};

/// How long a session lasts.
const LIFETIME: Duration = Duration::from_mins(10);
/// Random bytes of a token.
const TOKEN_LEN: usize = 32;
/// The most sessions of one tenant that last at the same time. Those who ask in the same instant may pass it by one each.
const MAX_SESSIONS: i64 = 1000;
const MAX_PROVIDERS: usize = 100;
/// As many connections as a user and a tenant may have fit into one page.
const PAGE: u32 = 200;

/// What a session is made of.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// In which tenant.
    pub tenant: TenantId,
    /// Whose accounts are connected, in lower case.
    pub user_email: String,
    /// The providers to choose from, by name; all that are configured where empty, but those whose connections are the
    /// tenant's. Whoever names one of these must be allowed to give that right away.
    pub providers: Vec<String>,
    /// Where the browser goes in the end. Held against the allow-list by the caller.
    pub return_to: Option<String>,
    /// Who makes it.
    pub created_by: String,
}

/// A session that was made.
#[derive(Debug)]
pub struct Session {
    /// Its id, for people and logs; it opens nothing.
    pub id: String,
    /// What opens it. Kept nowhere here but as a hash.
    pub token: SecretString,
    /// The address of its page, which has the token in it.
    pub url: SecretString,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A session, for its page.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// In which tenant.
    pub tenant: TenantId,
    /// Whose accounts are connected.
    pub user_email: String,
    /// What there is to choose from.
    pub providers: Vec<SessionProvider>,
    /// Where the browser goes in the end.
    pub return_to: Option<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A provider within a session.
#[derive(Debug, Clone)]
pub struct SessionProvider {
    /// The provider.
    pub provider: ProviderInfo,
    /// The user's connections to it, or the tenant's, oldest first.
    pub connections: Vec<Connection>,
}

/// What is to be connected by consent.
#[derive(Debug, Clone)]
pub enum Consent {
    /// An account at this provider, whichever the user chooses there.
    Account {
        /// The provider's name.
        provider: String,
        /// The values of its variables.
        variables: BTreeMap<String, String>,
    },
    /// The account of a connection that there is, by the connection's id.
    Again(String),
}

/// A session that was found to last.
struct Open {
    id: String,
    tenant: TenantId,
    user_email: String,
    providers: Vec<String>,
    return_to: Option<String>,
    expires_at: Timestamp,
}

impl Open {
    /// Who acts, for events and the activity log: not the user, but whoever holds the link.
    fn actor(&self) -> String {
        format!("connect-session:{}", self.id)
    }

    /// Whether connections of `owner` to `provider` are within it. The tenant's are only where the provider was named: a
    /// link for a user does not reach by itself what all users work with.
    fn allows(&self, provider: &str, owner: Owner) -> bool {
        match owner {
            Owner::User if self.providers.is_empty() => true,
            Owner::User | Owner::Tenant => self.providers.iter().any(|allowed| allowed == provider),
        }
    }
}

impl Connections {
    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::Invalid`] for providers that are unknown or not configured, [`Error::TooManySessions`].
    pub async fn create_session(&self, new: NewSession) -> Result<Session, Error> {
        self.check_providers(&new).await?;
        let token = Zeroizing::new(self.ambient.bytes::<TOKEN_LEN>());
        let token = SecretString::from(URL_SAFE_NO_PAD.encode(token.as_slice()));
        let url = self.address(&format!("connect/{}", token.expose_secret()))?;
        let now = self.ambient.now();
        let row = SessionRow {
            id: model::new_id(&self.ambient),
            tenant: new.tenant.to_string(),
            user_email: new.user_email,
            providers: serde_json::to_string(&new.providers).map_err(Error::Corrupt)?,
            return_to: new.return_to,
            created_by: new.created_by,
            created_at: now.as_millisecond(),
            expires_at: now.plus(LIFETIME).as_millisecond(),
        };
        let mut tx = self.database.begin().await?;
        if sessions::count(&mut tx, &new.tenant, now).await? >= MAX_SESSIONS {
            return Err(Error::TooManySessions(MAX_SESSIONS));
        }
        sessions::insert(&mut tx, &hash(token.expose_secret()), &row).await?;
        tx.commit().await?;
        tracing::info!(
            session.id = row.id,
            tenant = row.tenant,
            created_by = row.created_by,
            "a connect session was made"
        );
        Ok(Session { id: row.id, token, url: String::from(url).into(), expires_at: now.plus(LIFETIME) })
    }

    async fn check_providers(&self, new: &NewSession) -> Result<(), Error> {
        if new.providers.len() > MAX_PROVIDERS {
            let detail = format!("there may be at most {MAX_PROVIDERS} providers");
            return Err(Error::Invalid(vec![Violation::new("/providers", detail)]));
        }
        let known = self.providers(&new.tenant).await?;
        let wrong = new.providers.iter().enumerate().filter_map(|(index, name)| {
            let found = known.iter().find(|info| info.id.as_str() == name);
            let detail = match found {
                Some(info) if info.configured => return None,
                Some(_) => "this provider is not configured: it needs an OAuth app first",
                None => "there is no such provider; GET /api/v1/unified/auth/providers lists those there are",
            };
            Some(Violation::new(format!("/providers/{index}"), detail))
        });
        let wrong: Vec<Violation> = wrong.collect();
        if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
    }

    /// The session of this token, with what its page shows.
    ///
    /// # Errors
    /// [`Error::SessionEnded`].
    pub async fn session(&self, token: &str) -> Result<SessionView, Error> {
        let open = self.open_session(token).await?;
        let listing =
            Listing { user_email: Some(open.user_email.clone()), limit: Some(PAGE), ..Listing::default() };
        let mut connections = self.list(&open.tenant, &listing).await?.connections;
        let mut providers = Vec::new();
        for provider in self.providers(&open.tenant).await? {
            let is_own = |connection: &mut Connection| {
                connection.provider == provider.id && self.is_within(&open, connection)
            };
            let own: Vec<Connection> = connections.extract_if(.., is_own).collect();
            // What was connected while the provider was configured can still be disconnected.
            if open.allows(provider.id.as_str(), provider.owner) && (provider.configured || !own.is_empty()) {
                providers.push(SessionProvider { provider, connections: own });
            }
        }
        Ok(SessionView {
            id: open.id,
            tenant: open.tenant,
            user_email: open.user_email,
            providers,
            return_to: open.return_to,
            expires_at: open.expires_at,
        })
    }

    /// Begins a flow within a session: where `browser` is sent to.
    ///
    /// # Errors
    /// [`Error::SessionEnded`], [`Error::ConnectionNotFound`], and as [`begin`](Self::begin).
    pub async fn begin_in_session(
        &self,
        token: &str,
        consent: Consent,
        browser: &Browser,
    ) -> Result<Url, Error> {
        let open = self.open_session(token).await?;
        let (provider, variables) = match consent {
            Consent::Account { provider, variables } => (provider, variables),
            Consent::Again(id) => {
                let connection = self.connection_in(&open, &id).await?;
                (connection.provider.to_string(), connection.variables)
            }
        };
        self.check_allowed(&open, &provider)?;
        let begin = Begin {
            actor: open.actor(),
            tenant: open.tenant,
            provider,
            user_email: Some(open.user_email),
            scopes: Vec::new(),
            further_scopes: BTreeMap::new(),
            return_to: open.return_to,
            app_state: None,
            variables,
            session: Some(token.into()),
        };
        Ok(self.begin(begin, Some(browser)).await?.auth_url)
    }

    /// Connects by a key or by client credentials within a session.
    ///
    /// # Errors
    /// [`Error::SessionEnded`], and as [`connect`](Self::connect).
    pub async fn connect_in_session(
        &self,
        token: &str,
        provider: &str,
        variables: BTreeMap<String, String>,
        label: Option<String>,
        grant: DirectGrant,
    ) -> Result<Connected, Error> {
        let open = self.open_session(token).await?;
        self.check_allowed(&open, provider)?;
        let direct = Direct {
            actor: open.actor(),
            tenant: open.tenant,
            provider: provider.to_owned(),
            user_email: open.user_email,
            label,
            variables,
            grant,
        };
        self.connect(direct).await
    }

    /// Revokes a connection of the session's user.
    ///
    /// # Errors
    /// [`Error::SessionEnded`], [`Error::ConnectionNotFound`].
    pub async fn revoke_in_session(&self, token: &str, id: &str) -> Result<Revocation, Error> {
        let open = self.open_session(token).await?;
        let connection = self.connection_in(&open, id).await?;
        self.revoke(&open.tenant, &connection.id, &open.actor()).await
    }

    /// Chooses the site that a connection of the session's user works with.
    ///
    /// # Errors
    /// [`Error::SessionEnded`], [`Error::ConnectionNotFound`], [`Error::Invalid`].
    pub async fn choose_site_in_session(
        &self,
        token: &str,
        id: &str,
        site: String,
    ) -> Result<Connection, Error> {
        let open = self.open_session(token).await?;
        let connection = self.connection_in(&open, id).await?;
        let changes = Changes { site: Some(site), ..Changes::default() };
        self.update(&open.tenant, &connection.id, changes, &open.actor()).await
    }

    /// Seals what the page of a session is to tell next, so that it can travel in the page's address and nobody else can
    /// put words there.
    ///
    /// # Errors
    /// [`Error::Storage`] if nothing can be sealed.
    pub fn seal_for_page(&self, token: &str, message: &[u8]) -> Result<String, Error> {
        let until = self.ambient.now().plus(LIFETIME).as_millisecond();
        let message = [until.to_be_bytes().as_slice(), message].concat();
        Ok(self.tickets.seal(&page_purpose(token), &message)?)
    }

    /// What was sealed for the page of the session of this token in the last ten minutes, even if the session has ended
    /// meanwhile.
    pub fn open_for_page(&self, token: &str, sealed: &str) -> Option<Vec<u8>> {
        let message = self.tickets.open(&page_purpose(token), sealed)?;
        let (until, message) = message.split_first_chunk::<8>()?;
        (self.ambient.now().as_millisecond() < i64::from_be_bytes(*until)).then(|| message.to_vec())
    }

    /// Forgets sessions that have ended; tells how many.
    pub async fn sweep_sessions(&self) -> Result<u64, Error> {
        sessions::sweep(&self.database, self.ambient.now()).await
    }

    async fn open_session(&self, token: &str) -> Result<Open, Error> {
        if !is_token(token) {
            return Err(Error::SessionEnded);
        }
        let mut conn = self.database.read().await?;
        let row = sessions::find(&mut conn, &hash(token)).await?;
        let row = row.filter(|row| self.ambient.now().as_millisecond() < row.expires_at);
        let row = row.ok_or(Error::SessionEnded)?;
        Ok(Open {
            id: row.id,
            tenant: row.tenant.parse().map_err(|_| Error::SessionEnded)?,
            user_email: row.user_email,
            providers: serde_json::from_str(&row.providers).map_err(Error::Corrupt)?,
            return_to: row.return_to,
            expires_at: Timestamp::from_millisecond(row.expires_at),
        })
    }

    /// Refuses providers that are not within the session.
    fn check_allowed(&self, open: &Open, name: &str) -> Result<(), Error> {
        let provider = self.provider(name)?;
        if open.allows(name, provider.owner) {
            Ok(())
        } else {
            Err(Error::UnknownProvider(provider.id.to_string()))
        }
    }

    /// Whether a connection is to a provider of the session, and whose the provider's connections are now: who named the
    /// provider was asked for the right to those.
    fn is_within(&self, open: &Open, connection: &Connection) -> bool {
        let provider = self.catalog.get(connection.provider.as_str());
        let is_as_now = provider.is_none_or(|provider| provider.owner == connection.owner());
        is_as_now && open.allows(connection.provider.as_str(), connection.owner())
    }

    /// The connection of this id, if it is the session's user's or the tenant's, and to one of the session's providers.
    async fn connection_in(&self, open: &Open, id: &str) -> Result<Connection, Error> {
        let connection = self.connection(&open.tenant, id).await?;
        let is_own = connection.is_for(&open.user_email) && self.is_within(open, &connection);
        if is_own { Ok(connection) } else { Err(not_found(id)) }
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether this server could have made the token.
fn is_token(token: &str) -> bool {
    URL_SAFE_NO_PAD.decode(token).is_ok_and(|bytes| Zeroizing::new(bytes).len() == TOKEN_LEN)
}

/// The token has 256 random bits, so a plain hash cannot be reversed.
fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Binds a message to one session.
fn page_purpose(token: &str) -> String {
    format!("connect page {}", hex::encode(hash(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_could_be_a_token_is_looked_up() {
        assert!(is_token(&URL_SAFE_NO_PAD.encode([7; TOKEN_LEN])));
        for text in ["", "sessions", &"A".repeat(42), &"A".repeat(44), &"=".repeat(43), &"A".repeat(100_000)]
        {
            assert!(!is_token(text), "{text:.50}");
        }
    }

    #[test]
    fn a_message_is_for_one_session() {
        assert_ne!(page_purpose("a"), page_purpose("b"));
        assert!(!page_purpose("secret").contains("secret"));
    }
}
