//! Connectors and items as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::connectors::connector::{Ability, Description, Filter};
use ::connectors::{Author, ConnectorInfo, Done, Item, Items};
use model::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A connector.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Connector)]
pub(super) struct ConnectorBody {
    /// By which it is called.
    #[schema(example = "lexmodo")]
    name: &'static str,
    /// Its name for people.
    #[schema(example = "Lexmodo")]
    title: &'static str,
    /// The provider whose connections it uses.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// Whether it can be used: its provider and all that it needs besides are set up.
    configured: bool,
    /// What it can.
    operations: Vec<OperationBody>,
    /// The parameters that narrow its lists.
    filters: Vec<FilterBody>,
}

impl From<ConnectorInfo> for ConnectorBody {
    fn from(ConnectorInfo { description, configured }: ConnectorInfo) -> Self {
        Self {
            name: description.id,
            title: description.name,
            provider: description.provider,
            configured,
            operations: description.operations.iter().map(OperationBody::from).collect(),
            filters: description.filters.iter().map(FilterBody::from).collect(),
        }
    }
}

/// An operation of a connector.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectorOperation)]
pub(super) struct OperationBody {
    /// Of items: `list`, `get`, `create`, `update`, `delete`, `search`. Of channels: `channels`, `channel`, `messages`,
    /// `send_message`, `users`. Of projects: `projects`, `project`, `issues`, `issue`, `create_issue`, `update_issue`,
    /// `my_issues`, `summary`. Of all: `containers`, `content`, `comments`, `add_comment`.
    #[schema(example = "list")]
    operation: &'static str,
    /// The scopes that it needs: one of each group. Empty where the vendor judges by other rules.
    #[schema(value_type = Vec<Vec<String>>)]
    scopes: &'static [&'static [&'static str]],
    /// Whether the connection was granted them.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted: Option<bool>,
}

impl From<&'static Ability> for OperationBody {
    fn from(ability: &'static Ability) -> Self {
        Self { operation: ability.operation.as_str(), scopes: ability.scopes, granted: None }
    }
}

impl OperationBody {
    /// The operation, and whether a connection was granted what it needs.
    pub(super) fn granted(ability: &'static Ability, granted: bool) -> Self {
        Self { granted: Some(granted), ..ability.into() }
    }
}

/// A parameter that narrows a connector's lists.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConnectorFilter)]
pub(super) struct FilterBody {
    /// The parameter's name.
    #[schema(example = "rule_id")]
    name: &'static str,
    /// What it does.
    description: &'static str,
}

impl From<&'static Filter> for FilterBody {
    fn from(filter: &'static Filter) -> Self {
        Self { name: filter.name, description: filter.meaning }
    }
}

/// A message, a file, a customer: what a vendor keeps, in words that are the same for all.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Item)]
pub(in crate::unified) struct ItemBody {
    /// Its id at the vendor.
    #[schema(example = "7-000001")]
    id: String,
    /// What it is.
    #[serde(rename = "type")]
    #[schema(example = "customer")]
    kind: &'static str,
    /// The connector that it is had by.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ann Lee")]
    title: Option<String>,
    /// What it says, as plain text, or as Markdown where the vendor has more than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<AuthorBody>,
    /// What it stands in: a thread, a folder, a calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    container_id: Option<String>,
    /// When it came into being.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    updated_at: Option<Timestamp>,
    /// Which version of it this is.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    /// What else this kind of item has.
    #[schema(example = json!({"first_name": "Ann", "last_name": "Lee", "email": "ann@lee.example"}))]
    extra: Map<String, Value>,
    /// The vendor's answer as it came, with `raw=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
}

/// Who made an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemAuthor)]
struct AuthorBody {
    /// The id at the vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
}

impl From<Author> for AuthorBody {
    fn from(author: Author) -> Self {
        Self { id: author.id, name: author.name, email: author.email }
    }
}

impl ItemBody {
    pub(in crate::unified) fn new(item: Item, description: &Description) -> Self {
        Self {
            id: item.id,
            kind: item.kind,
            provider: description.id,
            title: item.title,
            text: item.text,
            url: item.url,
            author: item.author.map(Into::into),
            container_id: item.container_id,
            created_at: item.created_at,
            updated_at: item.updated_at,
            etag: item.etag,
            extra: item.extra,
            raw: item.raw,
        }
    }
}

/// A page of items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemPage)]
pub(super) struct PageBody {
    /// `true`.
    success: bool,
    /// The connector.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// Whose connection it is; left out where it is the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// The page.
    result: PageResult,
}

/// A page of items.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemPageResult)]
struct PageResult {
    /// The items. There may be fewer than were asked for though more follow.
    #[schema(value_type = Vec<ItemBody>)]
    items: Shared,
    /// How many there are in all, where the vendor tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// What to send as `page_token` for the next page, with all else as it was; left out at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    /// The items once more, under the connector's own name for them: `customers`, `messages`.
    #[serde(flatten)]
    #[schema(value_type = std::collections::BTreeMap<String, Vec<ItemBody>>)]
    named: BTreeMap<&'static str, Shared>,
}

/// Items that stand under two names.
#[derive(Debug, Clone)]
struct Shared(Arc<[ItemBody]>);

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl From<Done<Items>> for PageBody {
    fn from(Done { connection, description, result }: Done<Items>) -> Self {
        let items = result.items.into_iter().map(|item| ItemBody::new(item, description));
        let items = Shared(items.collect());
        Self {
            success: true,
            provider: description.id,
            user_email: user(connection.user_email),
            result: PageResult {
                named: [(description.items, items.clone())].into(),
                items,
                total: result.total,
                next_page_token: result.next,
            },
        }
    }
}

/// An item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemAnswer)]
pub(super) struct ItemAnswerBody {
    /// `true`.
    success: bool,
    /// The connector.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// Whose connection it is; left out where it is the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// The item.
    result: ItemResult,
}

/// An item.
#[derive(Debug, Serialize, ToSchema)]
struct ItemResult {
    /// The item.
    item: ItemBody,
}

impl From<Done<Item>> for ItemAnswerBody {
    fn from(Done { connection, description, result }: Done<Item>) -> Self {
        Self {
            success: true,
            provider: description.id,
            user_email: user(connection.user_email),
            result: ItemResult { item: ItemBody::new(result, description) },
        }
    }
}

/// An item that was deleted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ItemDeleted)]
pub(super) struct DeletedBody {
    /// `true`.
    success: bool,
    /// The connector.
    #[schema(example = "lexmodo")]
    provider: &'static str,
    /// Whose connection it is; left out where it is the tenant's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_email: Option<String>,
    /// `true`.
    deleted: bool,
}

impl From<Done<()>> for DeletedBody {
    fn from(Done { connection, description, .. }: Done<()>) -> Self {
        let user_email = user(connection.user_email);
        Self { success: true, provider: description.id, user_email, deleted: true }
    }
}

/// Whose a connection is; `None` where it is the tenant's own.
pub(super) fn user(user_email: String) -> Option<String> {
    (!user_email.is_empty()).then_some(user_email)
}
