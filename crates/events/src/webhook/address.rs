//! The secret address of an installation: whoever knows it may send webhooks there.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{Ambient, Event, EventKind, PluginId, TenantId};
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use storage::{Database, Sealed, Sealer, Tx};
use url::Url;
use zeroize::Zeroizing;

use super::schema::TOKEN;
use super::store::addresses::{self, AddressRow};
use crate::Error;
use crate::delivery::Queue;

/// Random bytes of an address.
const TOKEN_LEN: usize = 32;

/// For how long it is remembered whose an address is: as long another replica may take one that was replaced here.
const REMEMBERED_FOR: Duration = Duration::from_secs(1);

/// How many addresses are remembered.
const REMEMBERED: u64 = 10_000;

/// The longest that a former address may be taken, beside the new one.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);

/// Where an installation takes webhooks.
#[derive(Debug)]
pub struct Address {
    /// The secret one. Who has it may send where nothing is signed.
    pub url: SecretString,
    /// The documented one, which names plugin and tenant; `None` where webhooks are not signed.
    pub documented: Option<Url>,
    /// Until when the one before is taken, too.
    pub former_until: Option<model::Timestamp>,
    /// The name of the plugin's scheme.
    pub scheme: String,
    /// How webhooks are answered.
    pub mode: super::Mode,
}

/// Whose an address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) tenant: TenantId,
    pub(crate) plugin: PluginId,
    pub(crate) plugin_key: String,
}

impl Owner {
    /// What is yet to be delivered to it.
    pub(crate) fn queue(&self) -> Queue {
        let Self { tenant, plugin, plugin_key } = self.clone();
        Queue::Webhooks { tenant, plugin, plugin_key }
    }
}

type Hash = [u8; 32];

/// The addresses of all installations.
pub(crate) struct Addresses {
    database: Database,
    sealer: Sealer,
    public_url: Url,
    /// Of those that lead nowhere, too, so that who tries one again and again is not read for each time.
    known: Cache<Hash, Option<Arc<Owner>>>,
    ambient: Ambient,
}

impl Addresses {
    pub(crate) fn new(database: Database, sealer: Sealer, public_url: Url, ambient: Ambient) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Self { database, sealer, public_url, known, ambient }
    }

    /// Whose `token` is. Those who ask at the same time share one look.
    pub(crate) async fn owner(&self, token: &SecretString) -> Result<Arc<Owner>, Error> {
        let hash = hash(token);
        let found = self.known.try_get_with(hash, async {
            let mut conn = self.database.read().await?;
            let row = addresses::by_hash(&mut conn, &hash, self.ambient.now()).await?;
            Ok(row.as_ref().and_then(AddressRow::owner).map(Arc::new))
        });
        found.await.map_err(Error::Shared)?.ok_or(Error::NoSuchWebhookAddress)
    }

    /// The address of an installation, which is made at the first question.
    pub(crate) async fn of(&self, owner: &Owner) -> Result<(SecretString, AddressRow), Error> {
        let mut conn = self.database.read().await?;
        let row = addresses::find(&mut conn, owner).await?;
        if let Some(row) = row {
            return Ok((self.open(&mut conn, owner, &row).await?, row));
        }
        drop(conn);
        let mut tx = self.database.begin().await?;
        // Who asked at the same time may have made it.
        let (_, new) = self.new_row(&mut tx, owner).await?;
        addresses::insert(&mut tx, &new).await?;
        let row = addresses::find(&mut tx, owner).await?.ok_or(Error::NoSuchWebhookAddress)?;
        let token = self.open(&mut tx, owner, &row).await?;
        tx.commit().await?;
        Ok((token, row))
    }

    /// Replaces the address of an installation. The one before is taken for as long as `overlap`; those before it are not.
    pub(crate) async fn rotate(
        &self,
        owner: &Owner,
        (overlap, by): (Duration, &str),
    ) -> Result<(SecretString, AddressRow), Error> {
        let mut tx = self.database.begin().await?;
        let (token, mut new) = self.new_row(&mut tx, owner).await?;
        let former = addresses::hold(&mut tx, owner).await?;
        if let Some(former) = &former
            && !overlap.is_zero()
        {
            new.former_hash = Some(former.token_hash.clone());
            new.former_until = Some(self.ambient.now().plus(overlap).as_millisecond());
        }
        addresses::replace(&mut tx, &new).await?;
        tx.record(Event {
            tenant: Some(owner.tenant.clone()),
            kind: EventKind::WebhookAddressRotated,
            subject: owner.plugin.to_string(),
            data: json!({"formerUntil": new.former_until, "by": by}),
        });
        tx.commit().await?;
        // Of the former's former, too.
        self.known.invalidate_all();
        Ok((token, new))
    }

    /// Has the next look-up read what may have been deleted.
    pub(crate) fn forget(&self) {
        self.known.invalidate_all();
    }

    /// The secret address of `token`.
    pub(crate) fn url(&self, token: &SecretString) -> Zeroizing<String> {
        Zeroizing::new(format!("{}/webhooks/in/{}", self.base(), token.expose_secret()))
    }

    /// The documented address, with the tenant in its query.
    pub(crate) fn documented(&self, owner: &Owner) -> Url {
        let mut url = self.public_url.clone();
        url.set_path(&format!(
            "{}/webhooks/plugins/{}",
            self.public_url.path().trim_end_matches('/'),
            owner.plugin
        ));
        url.query_pairs_mut().append_pair("tenantId", owner.tenant.as_str());
        url
    }

    fn base(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    async fn new_row(&self, tx: &mut Tx, owner: &Owner) -> Result<(SecretString, AddressRow), Error> {
        let token = Zeroizing::new(self.ambient.bytes::<TOKEN_LEN>());
        let token = SecretString::from(URL_SAFE_NO_PAD.encode(token.as_slice()));
        let (purpose, plain) = (TOKEN.purpose(&[&owner.plugin_key]), token.expose_secret().as_bytes());
        let sealed = self.sealer.seal(tx, &owner.tenant, &purpose, plain).await?;
        let row = AddressRow {
            tenant: owner.tenant.to_string(),
            plugin_key: owner.plugin_key.clone(),
            plugin_id: owner.plugin.to_string(),
            token_hash: hash(&token).to_vec(),
            sealed_token: sealed.as_bytes().to_vec(),
            former_hash: None,
            former_until: None,
            created_at: self.ambient.now().as_millisecond(),
        };
        Ok((token, row))
    }

    async fn open(
        &self,
        conn: &mut storage::Conn,
        owner: &Owner,
        row: &AddressRow,
    ) -> Result<SecretString, Error> {
        let sealed = Sealed::from_bytes(row.sealed_token.clone());
        let purpose = TOKEN.purpose(&[&owner.plugin_key]);
        let token = self.sealer.unseal(conn, &owner.tenant, &purpose, &sealed).await?;
        let token = std::str::from_utf8(token.expose_secret()).map_err(|_| storage::Error::Unsealable)?;
        Ok(SecretString::from(token))
    }
}

impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Addresses")
    }
}

fn hash(token: &SecretString) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(digest(&SHA256, token.expose_secret().as_bytes()).as_ref());
    hash
}
