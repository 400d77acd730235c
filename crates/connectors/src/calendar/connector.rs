//! The connector `calendar`.

use async_trait::async_trait;
use http::header::IF_MATCH;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::event::{Event, item};
use super::fields::{Purpose, read};
use super::id::{EventId, PRIMARY};
use crate::answer::{Whole, put};
use crate::connector::{Ability, Connector, Data, Description, Filter, Listing, Operation, Raw, Surfaces};
use crate::containers::{Container, Containers};
use crate::filters::{flag, moment, one_of};
use crate::google::trouble;
use crate::http::{Api, Http, Upstream, Vendor};
use crate::{Context, Error, Item, Items, Page};

static VENDOR: Vendor = Vendor {
    id: "calendar",
    name: "Google Calendar",
    base_url: "https://www.googleapis.com",
    headers: &[],
    refuses_with_200: false,
    trouble,
};

/// Where the API is below the root.
const PATH: &str = "calendar/v3";

const ALL: &str = "https://www.googleapis.com/auth/calendar";
const EVENTS: &str = "https://www.googleapis.com/auth/calendar.events";
const READ_ALL: &str = "https://www.googleapis.com/auth/calendar.readonly";
const READ: &[&str] = &["https://www.googleapis.com/auth/calendar.events.readonly", EVENTS, READ_ALL, ALL];
const WRITE: &[&str] = &[EVENTS, ALL];
const CALENDARS: &[&str] = &[
    "https://www.googleapis.com/auth/calendar.calendarlist.readonly",
    "https://www.googleapis.com/auth/calendar.calendarlist",
    READ_ALL,
    ALL,
];

/// Scopes: <https://developers.google.com/workspace/calendar/api/auth>, and the page of each method.
static DESCRIPTION: Description = Description {
    id: "calendar",
    aliases: &[],
    bound_scopes: &[],
    provider: "google",
    name: "Google Calendar",
    items: "events",
    operations: &[
        Ability { operation: Operation::List, scopes: &[READ] },
        Ability { operation: Operation::Get, scopes: &[READ] },
        Ability { operation: Operation::Create, scopes: &[WRITE] },
        Ability { operation: Operation::Update, scopes: &[WRITE] },
        Ability { operation: Operation::Delete, scopes: &[WRITE] },
        Ability { operation: Operation::Search, scopes: &[READ] },
        Ability { operation: Operation::Containers, scopes: &[CALENDARS] },
    ],
    filters: &[
        Filter { name: "calendar_id", meaning: "events of this calendar instead of the main one" },
        Filter { name: "time_min", meaning: "events that end after this moment (RFC 3339)" },
        Filter { name: "time_max", meaning: "events that begin before this moment (RFC 3339)" },
        Filter { name: "updated_after", meaning: "events that changed after this moment (RFC 3339)" },
        Filter {
            name: "single_events",
            meaning: "false for recurring events as one each; else each occurrence",
        },
        Filter { name: "show_deleted", meaning: "true for cancelled events, too" },
        Filter {
            name: "order_by",
            meaning: "updated, or startTime, which only occurrences are in the order of",
        },
    ],
    max_page: 250,
};

/// A page of calendars or of events.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", bound = "T: DeserializeOwned")]
struct Listed<T> {
    #[serde(default = "Vec::new")]
    items: Vec<Whole<T>>,
    next_page_token: Option<String>,
}

/// A calendar of the list that the account has.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Calendar {
    id: String,
    summary: Option<String>,
    summary_override: Option<String>,
    description: Option<String>,
    time_zone: Option<String>,
    access_role: Option<String>,
    #[serde(default)]
    primary: bool,
}

/// The events of the calendars that an account sees.
#[derive(Debug)]
pub struct CalendarConnector {
    upstream: Upstream,
}

impl CalendarConnector {
    /// Google Calendar, at its own address or at the one that the operator has named.
    pub fn new(http: &Http) -> Self {
        Self { upstream: Upstream::with_path(http, &VENDOR, PATH) }
    }

    async fn events(
        &self,
        context: &Context,
        query: Option<&str>,
        listing: &Listing,
    ) -> Result<Items, Error> {
        let calendar = listing.filter("calendar_id").unwrap_or(PRIMARY);
        let is_single = flag(listing, "single_events")?.unwrap_or(true);
        let order = one_of(listing, "order_by", &["startTime", "updated"])?;
        if order == Some("startTime") && !is_single {
            return Err(Error::invalid("", "order_by must be updated where single_events is false"));
        }
        let request = self.upstream.api(context).get(events(calendar)).about("calendar", calendar);
        let listed = request
            .query("maxResults", listing.max_results)
            .query("singleEvents", is_single)
            .query_opt("pageToken", listing.cursor.as_deref())
            .query_opt("q", query)
            .query_opt("timeMin", moment(listing, "time_min")?)
            .query_opt("timeMax", moment(listing, "time_max")?)
            .query_opt("updatedMin", moment(listing, "updated_after")?)
            .query_opt("showDeleted", flag(listing, "show_deleted")?)
            .query_opt("orderBy", order)
            .json()
            .await?;
        Ok(page(listed, context, |event: &Event, raw| item(event, calendar, raw)))
    }
}

fn events(calendar: &str) -> [&str; 5] {
    ["calendar", "v3", "calendars", calendar, "events"]
}

fn event(id: EventId<'_>) -> [&str; 6] {
    ["calendar", "v3", "calendars", id.calendar, "events", id.event]
}

/// A page, each thing on it from what is known of it.
fn page<T, I>(listed: Listed<T>, context: &Context, each: impl Fn(&T, Option<Value>) -> I) -> Page<I> {
    let each = |whole: Whole<T>| each(&whole.known, whole.raw.when(context.raw));
    Page::of(listed.items.into_iter().map(each), listed.next_page_token)
}

fn container(calendar: &Calendar, raw: Option<Value>) -> Container {
    let mut extra = Map::new();
    put(&mut extra, "time_zone", calendar.time_zone.as_deref());
    put(&mut extra, "access_role", calendar.access_role.as_deref());
    put(&mut extra, "is_primary", calendar.primary);
    let name = calendar.summary_override.as_deref().or(calendar.summary.as_deref());
    Container {
        id: calendar.id.clone(),
        kind: "calendar",
        name: name.unwrap_or_default().to_owned(),
        text: calendar.description.clone().filter(|text| !text.is_empty()),
        url: None,
        extra,
        raw,
    }
}

#[async_trait]
impl Connector for CalendarConnector {
    fn description(&self) -> &'static Description {
        &DESCRIPTION
    }

    fn missing_setting(&self) -> Option<&'static str> {
        None
    }

    async fn test(&self, context: &Context) -> Result<(), Error> {
        let request = self.upstream.api(context).get(events(PRIMARY)).query("maxResults", 1);
        request.query("fields", "etag").json::<Value>().await.map(drop)
    }

    fn surfaces(&self) -> Surfaces<'_> {
        Surfaces { data: Some(self), containers: Some(self), raw: Some(self), ..Surfaces::default() }
    }
}

impl Raw for CalendarConnector {
    fn api<'a>(&'a self, context: &'a Context) -> Result<Api<'a>, Error> {
        // Other APIs are at the same host, and the token may be good for them: rules for this one are not about those.
        self.upstream.api(context).below(PATH.split('/'))
    }
}

#[async_trait]
impl Containers for CalendarConnector {
    /// The calendars that the account has in its list.
    async fn containers(&self, context: &Context, listing: &Listing) -> Result<Page<Container>, Error> {
        let request = self.upstream.api(context).get(["calendar", "v3", "users", "me", "calendarList"]);
        let request = request.query("maxResults", listing.max_results);
        let listed = request.query_opt("pageToken", listing.cursor.as_deref()).json().await?;
        Ok(page(listed, context, container))
    }
}

#[async_trait]
impl Data for CalendarConnector {
    async fn list(&self, context: &Context, listing: &Listing) -> Result<Items, Error> {
        self.events(context, None, listing).await
    }

    async fn get(&self, context: &Context, id: &str) -> Result<Item, Error> {
        let place = EventId::parse(id);
        let request = self.upstream.api(context).get(event(place)).about("event", id);
        let Whole { known, raw } = request.whole().await?;
        Ok(item(&known, place.calendar, raw.when(context.raw)))
    }

    async fn create(&self, context: &Context, fields: &Map<String, Value>) -> Result<Item, Error> {
        let written = read(fields, Purpose::Create)?;
        let calendar = written.calendar.unwrap_or(PRIMARY);
        let request = self.upstream.api(context).post(events(calendar)).about("calendar", calendar);
        let request = request.query_opt("sendUpdates", written.send_updates);
        let request = request.query_opt("conferenceDataVersion", conference(&written.body));
        let Whole { known, raw } = request.body(&written.body).whole().await?;
        Ok(item(&known, calendar, raw.when(context.raw)))
    }

    /// Changes what is given of an event; with `etag`, only if it is still that version.
    async fn update(&self, context: &Context, id: &str, fields: &Map<String, Value>) -> Result<Item, Error> {
        let written = read(fields, Purpose::Update)?;
        let place = EventId::parse(id);
        let request = self.upstream.api(context).patch(event(place)).about("event", id);
        let request = request.query_opt("sendUpdates", written.send_updates);
        let request = request.query_opt("conferenceDataVersion", conference(&written.body));
        let request = match written.etag {
            Some(etag) => request.header(IF_MATCH, etag),
            None => request,
        };
        let Whole { known, raw } = request.body(&written.body).whole().await?;
        Ok(item(&known, place.calendar, raw.when(context.raw)))
    }

    async fn delete(&self, context: &Context, id: &str) -> Result<(), Error> {
        self.upstream.api(context).delete(event(EventId::parse(id))).about("event", id).done().await
    }

    async fn search(&self, context: &Context, query: &str, listing: &Listing) -> Result<Items, Error> {
        self.events(context, Some(query), listing).await
    }
}

/// What lets Google heed the meeting of an event; without it, that is left as it is.
fn conference(body: &Map<String, Value>) -> Option<u8> {
    body.contains_key("conferenceData").then_some(1)
}
