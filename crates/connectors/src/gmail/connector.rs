//! The connector `gmail`.

use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::Ambient;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::compose::{Answered, Draft};
use super::header::Headers;
use super::item::{item, sent};
use super::message::{Body, Message};
use crate::answer::Whole;
use crate::connector::{Ability, Connector, Data, Description, Filter, Listing, Operation, Raw, Surfaces};
use crate::fields::Fields;
use crate::filters::flag;
use crate::google::trouble;
use crate::http::{Api, Http, Part, Upstream, Vendor};
use crate::{Context, Error, Item, Items};

static VENDOR: Vendor = Vendor {
    id: "gmail",
    name: "Gmail",
    base_url: "https://gmail.googleapis.com",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

/// Where the API is below the root; uploads are beside it.
const PATH: &str = "gmail/v1";

const MAIL: &str = "https://mail.google.com/";
const MODIFY: &str = "https://www.googleapis.com/auth/gmail.modify";
const READ_ONLY: &str = "https://www.googleapis.com/auth/gmail.readonly";
const READ: &[&str] = &[READ_ONLY, MODIFY, MAIL];
const SEND: &[&str] = &[
    "https://www.googleapis.com/auth/gmail.send",
    "https://www.googleapis.com/auth/gmail.compose",
    MODIFY,
    MAIL,
];
const CHANGE: &[&str] = &[MODIFY, MAIL];
const LABELS: &[&str] = &[
    "https://www.googleapis.com/auth/gmail.labels",
    "https://www.googleapis.com/auth/gmail.metadata",
    READ_ONLY,
    MODIFY,
    MAIL,
];

/// Scopes: <https://developers.google.com/workspace/gmail/api/auth/scopes>, and the page of each method.
static DESCRIPTION: Description = Description {
    id: "gmail",
    aliases: &[],
    bound_scopes: &[],
    provider: "google",
    name: "Gmail",
    items: "messages",
    operations: &[
        Ability { operation: Operation::List, scopes: &[READ] },
        Ability { operation: Operation::Get, scopes: &[READ] },
        Ability { operation: Operation::Create, scopes: &[SEND] },
        Ability { operation: Operation::Update, scopes: &[CHANGE] },
        Ability { operation: Operation::Delete, scopes: &[CHANGE] },
        Ability { operation: Operation::Search, scopes: &[READ] },
        Ability { operation: Operation::Containers, scopes: &[LABELS] },
        Ability { operation: Operation::Content, scopes: &[READ] },
    ],
    filters: &[
        Filter {
            name: "label_ids",
            meaning: "messages with all of these labels, by id, separated by commas",
        },
        Filter { name: "include_spam_trash", meaning: "true for those in spam and trash, too" },
    ],
    max_page: 100,
};

/// How many messages of a page are fetched at once.
const DETAILS_AT_ONCE: usize = 8;

/// How many texts that Gmail leaves out of a message because of their size are fetched.
const MAX_LONG_TEXTS: usize = 4;

/// Larger messages are sent as uploads, which take up to 35 MiB.
const MAX_IN_JSON: usize = 1024 * 1024;

/// How long sending a large message may take.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// What of the message that is answered is asked for.
const ANSWERED: [&str; 6] = ["From", "To", "Reply-To", "Subject", "Message-ID", "References"];

/// A page of ids.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Found {
    messages: Vec<Reference>,
    next_page_token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: String,
}

/// The messages of a mailbox.
#[derive(Debug)]
pub struct GmailConnector {
    upstream: Upstream,
    ambient: Ambient,
}

impl GmailConnector {
    /// Gmail, at its own address or at the one that the operator has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::with_path(http, &VENDOR, PATH), ambient: http.ambient().clone() }
    }

    pub(super) fn api<'a>(&'a self, context: &'a Context) -> Api<'a> {
        self.upstream.api(context)
    }

    async fn page(&self, context: &Context, query: Option<&str>, listing: &Listing) -> Result<Items, Error> {
        let api = self.api(context);
        let labels = listing.filter("label_ids").unwrap_or_default().split(',').map(str::trim);
        let found: Found = api
            .get(path(&["messages"]))
            .query("maxResults", listing.max_results)
            .query_opt("pageToken", listing.cursor.as_deref())
            .query_opt("q", query)
            .query_each("labelIds", labels.filter(|label| !label.is_empty()))
            .query_opt("includeSpamTrash", flag(listing, "include_spam_trash")?)
            .json()
            .await?;
        let fetches: Vec<_> = found.messages.iter().map(|each| listed(&api, context, &each.id)).collect();
        let items: Vec<Option<Item>> = stream::iter(fetches).buffered(DETAILS_AT_ONCE).try_collect().await?;
        let next = found.next_page_token.filter(|token| !token.is_empty());
        Ok(Items { items: items.into_iter().flatten().collect(), total: None, next })
    }

    /// What is known of the message that is answered, and the thread that it is in.
    async fn answered(api: &Api<'_>, id: &str) -> Result<(Answered, String), Error> {
        let request = api.get(path(&["messages", id])).query("format", "metadata").about("message", id);
        let message: Message = request.query_each("metadataHeaders", ANSWERED).json().await?;
        let is_own = message.label_ids.iter().any(|label| label == "SENT");
        Ok((Answered { headers: Headers::of(&message.payload), is_own }, message.thread_id))
    }

    async fn send(api: &Api<'_>, thread: Option<&str>, mime: Vec<u8>) -> Result<Message, Error> {
        if mime.len() <= MAX_IN_JSON {
            let mut body = json!({"raw": encoded(&mime)});
            if let (Some(thread), Some(fields)) = (thread, body.as_object_mut()) {
                fields.insert("threadId".to_owned(), thread.into());
            }
            return api.post(path(&["messages", "send"])).body(&body).json().await;
        }
        let about = thread.map_or_else(|| json!({}), |thread| json!({"threadId": thread}));
        api.post(["upload", "gmail", "v1", "users", "me", "messages", "send"])
            .query("uploadType", "multipart")
            .related(&[Part::json(&about), Part::new("message/rfc822", mime)])
            .timeout(UPLOAD_TIMEOUT)
            .json()
            .await
    }
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}

/// Below the mailbox of whoever the token is for.
pub(super) fn path<'a>(rest: &[&'a str]) -> Vec<&'a str> {
    [&["gmail", "v1", "users", "me"], rest].concat()
}

fn account(context: &Context) -> Option<&str> {
    context.connection.account.email.as_deref()
}

pub(super) async fn fetch(api: &Api<'_>, id: &str) -> Result<Whole<Message>, Error> {
    api.get(path(&["messages", id])).query("format", "full").about("message", id).whole().await
}

/// A message of a list; `None` where it has been deleted since the list was made.
async fn listed(api: &Api<'_>, context: &Context, id: &str) -> Result<Option<Item>, Error> {
    match fetch(api, id).await {
        Ok(whole) => Ok(Some(item(&whole.known, account(context), whole.raw.when(context.raw)))),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn attachment(api: &Api<'_>, message: &str, id: &str) -> Result<Option<String>, Error> {
    let request = api.get(path(&["messages", message, "attachments", id])).about("attachment", id);
    Ok(request.json::<Body>().await?.data)
}

/// Fetches the texts that Gmail has left out because of their size.
async fn complete(api: &Api<'_>, message: &mut Message) -> Result<(), Error> {
    let id = message.id.clone();
    for part in message.payload.shown_mut().into_iter().take(MAX_LONG_TEXTS) {
        if let (None, Some(attachment_id)) = (&part.body.data, &part.body.attachment_id) {
            part.body.data = attachment(api, &id, attachment_id).await?;
        }
    }
    Ok(())
}

#[async_trait]
impl Connector for GmailConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        let api = self.api(context);
        api.get(path(&["labels"])).query("fields", "labels/id").json::<Value>().await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces {
            data: Some(self),
            containers: Some(self),
            content: Some(self),
            raw: Some(self),
            ..Surfaces::default()
        }
    }
}

impl Raw for GmailConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        self.upstream.api(context).below(PATH.split('/'))
    }
}

#[async_trait]
impl Data for GmailConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, None, listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let api = self.api(context);
        let Whole { mut known, raw } = fetch(&api, id).await?;
        complete(&api, &mut known).await?;
        Ok(item(&known, account(context), raw.when(context.raw)))
    }

    /// Sends a message.
    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        let mut draft = Draft::read(fields)?;
        let api = self.api(context);
        let answered = match draft.answers {
            Some(id) => Some(Self::answered(&api, id).await?),
            None => None,
        };
        let (answered, thread) = answered.unzip();
        if let Some(answered) = &answered {
            draft.address(answered)?;
        }
        let written = draft.mime(answered.as_ref(), account(context), &self.ambient);
        let mime = written.map_err(|_| Error::invalid("", "must be a mail"))?;
        let thread = draft.thread_id.or(thread.as_deref());
        let message = Self::send(&api, thread, mime).await?;
        Ok(sent(&message, &draft.title(answered.as_ref()), draft.body, account(context)))
    }

    /// Puts labels on a message and takes others off.
    async fn update(&self, context: &Context, id: &str, given: &Map<String, Value>) -> Result<Item, Error> {
        let (add, remove) = labels(given)?;
        let api = self.api(context);
        // The same labels twice are the same labels.
        let request = api.post(path(&["messages", id, "modify"])).about("message", id).repeatable();
        let changed: Whole<Message> =
            request.body(&json!({"addLabelIds": add, "removeLabelIds": remove})).whole().await?;
        // The answer has no more than the labels. That the message cannot be read does not mean that nothing was done.
        let whole = fetch(&api, id).await.unwrap_or(changed);
        Ok(item(&whole.known, account(context), whole.raw.when(context.raw)))
    }

    /// Moves a message to the trash.
    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        let api = self.api(context);
        api.post(path(&["messages", id, "trash"])).about("message", id).repeatable().done().await
    }

    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Some(query), listing).await
    }
}

/// The labels to put on, and those to take off.
fn labels(given: &Map<String, Value>) -> Result<(Vec<&str>, Vec<&str>), Error> {
    let known = ["add_label_ids", "remove_label_ids", "is_unread", "is_starred"];
    let mut fields = Fields::new(given, &known);
    let (mut add, mut remove) = (fields.lines("add_label_ids"), fields.lines("remove_label_ids"));
    for (name, label) in [("is_unread", "UNREAD"), ("is_starred", "STARRED")] {
        match fields.flag(name) {
            Some(true) => add.push(label),
            Some(false) => remove.push(label),
            None => {}
        }
    }
    if add.is_empty() && remove.is_empty() {
        fields.refuse("", format!("must change something: {}", known.join(", ")));
    }
    if add.iter().any(|label| remove.contains(label)) {
        fields.refuse("/add_label_ids", "must have no label that is also to be removed");
    }
    fields.finish((add, remove))
}
