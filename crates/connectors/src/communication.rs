//! Connectors by which people talk: channels, messages, people.

use async_trait::async_trait;
use model::Timestamp;
use serde_json::Value;

use crate::connector::Listing;
use crate::item::Identified;
use crate::{Context, Error, Item, Items, Page};

/// Channels with messages in them.
///
/// A connector declares in its [`Description`](crate::connector::Description) which of these it can; the others are never
/// called, and answer [`Error::Unsupported`].
#[async_trait]
pub trait Communication: Send + Sync {
    /// A page of the channels that the account sees.
    async fn channels(&self, context: &Context, listing: &Listing) -> Result<Page<Channel>, Error>;

    /// The channel of this id.
    async fn channel(&self, context: &Context, id: &str) -> Result<Channel, Error>;

    /// A page of messages, in the vendor's order.
    async fn messages(&self, context: &Context, of: &Conversation, listing: &Listing)
    -> Result<Items, Error>;

    /// Sends a message, and gives it as the vendor keeps it.
    async fn send_message(&self, context: &Context, message: &NewMessage) -> Result<Item, Error>;

    /// A page of the people and programs that are there.
    async fn users(&self, context: &Context, listing: &Listing) -> Result<Page<Member>, Error>;
}

/// Where messages stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The channel's id.
    pub channel: String,
    /// The thread's id, for the messages of that thread alone.
    pub thread: Option<String>,
}

/// A message to be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewMessage {
    /// Where it is to stand.
    pub to: Conversation,
    /// What it says, in the vendor's own markup.
    pub text: String,
}

/// Who is in a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Audience {
    /// Everybody may join.
    #[default]
    Public,
    /// Those who were invited.
    Private,
    /// The user and one other.
    Direct,
    /// The user and some others.
    Group,
}

impl Audience {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Direct => "direct",
            Self::Group => "group",
        }
    }
}

/// A channel.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Channel {
    /// Its id at the vendor.
    pub id: String,
    /// What it is called; `None` for one that has no name, as with one other person.
    pub name: Option<String>,
    /// Who is in it.
    pub audience: Audience,
    /// With whom it is, by the member's id, where it is with one other.
    pub with: Option<String>,
    /// What it is about just now.
    pub topic: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// Whether it is closed for good.
    pub is_archived: bool,
    /// Whether the account is in it, where the vendor tells.
    pub is_member: Option<bool>,
    /// How many are in it, where the vendor tells.
    pub members: Option<u64>,
    /// When it came into being.
    pub created_at: Option<Timestamp>,
    /// The vendor's answer as it came, where it was asked for.
    pub raw: Option<Value>,
}

/// Somebody, or a program, who can be talked to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Member {
    /// The id at the vendor.
    pub id: String,
    /// The name by which they are called there.
    pub name: Option<String>,
    /// The whole name for people.
    pub full_name: Option<String>,
    /// The e-mail address, where the grant lets it be seen.
    pub email: Option<String>,
    /// Whether it is a program.
    pub is_bot: bool,
    /// Whether the account still exists.
    pub is_active: bool,
    /// The time zone, as IANA names it.
    pub time_zone: Option<String>,
    /// The vendor's answer as it came, where it was asked for.
    pub raw: Option<Value>,
}

impl Identified for Channel {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Identified for Member {
    fn id(&self) -> &str {
        &self.id
    }
}
