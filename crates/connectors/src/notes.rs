//! The connector `notes`: the notes that each person has in the sandbox of `serve --dev` (`crates/sandbox_provider`).

use async_trait::async_trait;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::answer::{Whole, moment};
use crate::connector::{Ability, Connector, Data, Description, Listing, Operation, Raw, Surfaces};
use crate::fields::Fields;
use crate::http::{Api, Http, Refusal, Request, Trouble, Upstream, Vendor};
use crate::{Context, Error, Item, Items};

static VENDOR: Vendor = Vendor {
    id: "notes",
    name: "Sandbox",
    // The server names the root while it has a sandbox. There is none elsewhere: RFC 6761, section 6.4.
    base_url: "http://sandbox.invalid",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

/// A 409 commonly says that another was faster. Here it says that there is no room for more.
fn trouble(refusal: &Refusal<'_>) -> Option<Trouble> {
    let is_full = refusal.status == StatusCode::CONFLICT && refusal.text("/error") == "limit_reached";
    is_full.then(|| Trouble::Rejected(refusal.text("/error_description").to_owned()))
}

const READ: &[&str] = &["notes.read"];
const WRITE: &[&str] = &["notes.write"];

static DESCRIPTION: Description = Description {
    id: "notes",
    aliases: &[],
    provider: "sandbox",
    name: "Notes",
    items: "notes",
    operations: &[
        Ability { operation: Operation::List, scopes: &[READ] },
        Ability { operation: Operation::Get, scopes: &[READ] },
        Ability { operation: Operation::Create, scopes: &[WRITE] },
        Ability { operation: Operation::Update, scopes: &[WRITE] },
        Ability { operation: Operation::Delete, scopes: &[WRITE] },
        Ability { operation: Operation::Search, scopes: &[READ] },
    ],
    filters: &[],
    max_page: 100,
    bound_scopes: &[],
};

/// A note, as the sandbox answers it.
#[derive(Debug, Deserialize)]
struct Note {
    id: String,
    title: String,
    text: String,
    created_at: String,
    updated_at: String,
}

#[derive(Debug, Deserialize)]
struct Listed {
    notes: Vec<Whole<Note>>,
    next_cursor: Option<String>,
}

/// What is written of a note.
#[derive(Debug, Serialize)]
struct Draft<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
}

/// The notes of a person.
#[derive(Debug)]
pub struct NotesConnector {
    upstream: Upstream,
}

impl NotesConnector {
    /// The notes at the root that the server has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::new(http, &VENDOR) }
    }

    async fn page(&self, context: &Context, query: Option<&str>, listing: &Listing) -> Result<Items, Error> {
        let request = self.upstream.api(context).get(["notes"]);
        let listed: Listed = request
            .query("limit", listing.max_results)
            .query_opt("cursor", listing.cursor.as_deref())
            .query_opt("q", query)
            .json()
            .await?;
        Ok(Items::of(listed.notes.into_iter().map(|note| item(note, context)), listed.next_cursor))
    }
}

async fn note(request: Request<'_>, context: &Context) -> Result<Item, Error> {
    Ok(item(request.whole().await?, context))
}

fn item(Whole { known, raw }: Whole<Note>, context: &Context) -> Item {
    Item {
        id: known.id,
        kind: "note",
        title: Some(known.title),
        text: Some(known.text),
        created_at: moment(&known.created_at),
        updated_at: moment(&known.updated_at),
        raw: raw.when(context.raw),
        ..Item::default()
    }
}

/// A note to be made.
fn made(given: &Map<String, Value>) -> Result<Draft<'_>, Error> {
    let mut fields = Fields::new(given, &["title", "text"]);
    let draft = Draft { title: fields.line("title"), text: fields.text("text") };
    if draft.title.is_none() {
        fields.refuse("/title", "must be given");
    }
    fields.finish(draft)
}

/// What is to change of one.
fn changed(given: &Map<String, Value>) -> Result<Draft<'_>, Error> {
    let mut fields = Fields::new(given, &["title", "text"]);
    let draft = Draft { title: fields.line("title"), text: fields.text("text") };
    if draft.title.is_none() && draft.text.is_none() {
        fields.refuse("", "must change something");
    }
    fields.finish(draft)
}

#[async_trait]
impl Connector for NotesConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        self.upstream.api(context).get(["userinfo"]).done().await
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces { data: Some(self), raw: Some(self), ..Surfaces::default() }
    }
}

#[async_trait]
impl Data for NotesConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.page(context, None, listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        note(self.upstream.api(context).get(["notes", id]).about("note", id), context).await
    }

    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        note(self.upstream.api(context).post(["notes"]).body(&made(fields)?), context).await
    }

    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let request = self.upstream.api(context).patch(["notes", id]).about("note", id);
        // The same texts twice are the same texts.
        note(request.repeatable().body(&changed(fields)?), context).await
    }

    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        self.upstream.api(context).delete(["notes", id]).about("note", id).done().await
    }

    /// Notes with these words in title or text, whatever the case.
    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.page(context, Some(query), listing).await
    }
}

impl Raw for NotesConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        Ok(self.upstream.api(context))
    }
}
