//! What becomes of a tenant's installations, as it happens: what pages follow to show it without a reload.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use events::feed::{Audience, Following, Readable, Shape, Topic};
use http::request::Parts;
use model::{EventKind, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use storage::LoggedEvent;
use utoipa::IntoParams;

use super::catalog::organization;
use crate::App;
use crate::address::party;
use crate::event_stream::{self, Begin, Form};
use crate::events::within;
use crate::extract::{Query, Standing, User};
use crate::problem::{Problem, ProblemBody};

/// From where on.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct After {
    /// Begin behind the event of this id. Without it and without `Last-Event-ID`, now.
    #[param(example = "1742")]
    after: Option<String>,
}

/// Whose, and from where on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct PublicStreamQuery {
    /// The tenant.
    #[param(required, example = "acme")]
    organization_id: Option<String>,
    /// Begin behind the event of this id. Without it and without `Last-Event-ID`, now.
    #[param(example = "1742")]
    after: Option<String>,
}

/// What has become of an installation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    change: &'static str,
    plugin_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    time: Timestamp,
}

/// That something has changed. Not what: strangers learn of no plugin but those that the tenant shows them.
#[derive(Debug, Serialize)]
struct ToldStrangers {
    change: &'static str,
    time: Timestamp,
}

/// Streams what becomes of the caller's tenant's installations (`text/event-stream`): `data` is `{"change", "pluginId", "version"?, "time"}`, where
/// `change` is `installed`, `upgraded`, `configured`, `consented`, `enabled`, `disabled` or `uninstalled`. A client that asks again with
/// `Last-Event-ID` misses nothing; `event: reset` tells that it may have, and is to read its lists anew.
#[utoipa::path(
    get, path = "/plugins/stream", tag = "plugins", operation_id = "streamInstalledPlugins",
    params(After, ("Last-Event-ID" = Option<String>, Header, description = "goes before `after`; browsers send it by themselves")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("bearer" = []), ("session" = [])),
)]
pub(super) async fn own(
    State(app): State<App>,
    caller: User,
    Query(query): Query<After>,
    parts: Parts,
) -> Result<Response, Problem> {
    let standing = Standing::of(&app, &parts, &caller);
    let begin = Begin::of(&parts, query.after.as_deref())?;
    let form = Form { shape: Shape::Installation, make: frame };
    follow(&app, (caller.tenant(), Audience::Known), (begin, form), Some(standing)).await
}

/// Streams to anybody when something becomes of a tenant's installations, so that it is time to read what it has enabled anew: `data` is
/// `{"change": "changed", "time"}` whatever it was. Else as `GET /plugins/stream`.
#[utoipa::path(
    get, path = "/plugins/public/organizations/stream", tag = "plugins", operation_id = "streamEnabledPlugins",
    params(PublicStreamQuery, ("Last-Event-ID" = Option<String>, Header, description = "goes before `after`; browsers send it by themselves")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream"),
        (status = "4XX", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn public(
    State(app): State<App>,
    Query(query): Query<PublicStreamQuery>,
    parts: Parts,
) -> Result<Response, Problem> {
    let begin = Begin::of(&parts, query.after.as_deref())?;
    let tenant = organization(query.organization_id.as_deref())?;
    // Where the other end is not known, all count as one.
    let address = app.client_address(&parts.extensions, &parts.headers);
    let address = address.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), party);
    let form = Form { shape: Shape::Change, make: frame_for_strangers };
    follow(&app, (&tenant, Audience::Public(address)), (begin, form), None).await
}

async fn follow(
    app: &App,
    (tenant, audience): (&TenantId, Audience),
    (begin, form): (Begin, Form),
    standing: Option<Standing>,
) -> Result<Response, Problem> {
    let following = Following {
        tenant: Some(tenant.clone()),
        topic: Topic::Installations,
        types: Vec::new(),
        readable: Readable::All,
        audience,
        after: begin.place(),
    };
    let follow = async { Ok(app.feed().follow(following).await?) };
    let follower = within(app.options().deadline, follow).await?;
    Ok(event_stream::respond(app, (follower, begin), form, standing))
}

fn frame(event: &LoggedEvent) -> Bytes {
    let data: serde_json::Value = serde_json::from_str(&event.data).unwrap_or_default();
    let version = data.get("version").and_then(serde_json::Value::as_str).map(str::to_owned);
    let change = Told { change: change(&event.kind), plugin_id: &event.subject, version, time: event.time() };
    // Texts always serialise.
    event_stream::frame(event.seq, &serde_json::to_string(&change).unwrap_or_default())
}

fn frame_for_strangers(event: &LoggedEvent) -> Bytes {
    let change = ToldStrangers { change: "changed", time: event.time() };
    // Texts always serialise.
    event_stream::frame(event.seq, &serde_json::to_string(&change).unwrap_or_default())
}

/// What the page is told that an event of this type is.
fn change(kind: &str) -> &'static str {
    const CHANGES: [(EventKind, &str); 7] = [
        (EventKind::InstallationCreated, "installed"),
        (EventKind::InstallationUpgraded, "upgraded"),
        (EventKind::InstallationConfigured, "configured"),
        (EventKind::InstallationConsented, "consented"),
        (EventKind::InstallationEnabled, "enabled"),
        (EventKind::InstallationDisabled, "disabled"),
        (EventKind::InstallationRemoved, "uninstalled"),
    ];
    let found = CHANGES.into_iter().find(|(known, _)| known.as_str() == kind);
    found.map_or("changed", |(_, word)| word)
}
