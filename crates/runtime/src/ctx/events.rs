//! `ctx.events`: what a plugin tells others in its tenant.

use model::{EventType, Published, Sender, new_id};
use serde::Deserialize;
use serde_json::{Value, json};

use super::argument::read;
use crate::invocation::{Invocation, shown};

/// How many events one call may emit.
const MAX_EVENTS: u32 = 100;

/// The largest data of an event, in bytes of JSON (CloudEvents 1.0: what is always forwarded).
const MAX_DATA: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Emit {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
    subject: Option<String>,
    key: Option<String>,
}

/// The longest subject, and the longest key, in bytes.
const MAX_TEXT: usize = 256;

pub(super) async fn emit(call: &Invocation, argument: &str) -> Result<String, String> {
    let Emit { kind, data, subject, key } = read("events.emit", argument)?;
    let deployment = &call.deployment;
    if !deployment.emits.contains(&kind) {
        let kind = shown(&kind);
        return Err(format!("the plugin may not emit {kind}: add \"{kind}\" to emits in the manifest"));
    }
    let kind: EventType = kind.parse().map_err(|error| format!("events.emit: {error}"))?;
    let size = data.to_string().len();
    if size > MAX_DATA {
        return Err(format!(
            "the data of the event has {size} bytes as JSON; it may have at most {MAX_DATA}"
        ));
    }
    for (name, text) in [("subject", &subject), ("key", &key)] {
        if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > MAX_TEXT) {
            return Err(format!("the {name} of the event must have 1 to {MAX_TEXT} bytes, or be left out"));
        }
    }
    if call.who.hops > Published::MAX_HOPS {
        return Err(format!(
            "the event is refused: {} events led to it one after the other, so it looks like a loop of plugins that \
             answer each other's events",
            call.who.hops
        ));
    }
    call.used.events.take(MAX_EVENTS, "events")?;
    let id = new_id(&call.shared.ambient);
    let published = Published {
        tenant: deployment.tenant.clone(),
        kind,
        source: format!("jackfield/plugins/{}", deployment.plugin),
        id: id.clone(),
        subject: Some(subject.unwrap_or_else(|| deployment.plugin.to_string())),
        key,
        sender: Sender::Plugin(deployment.plugin.clone()),
        hops: call.who.hops,
        attributes: Value::Null,
        data,
    };
    let recorded = async {
        let mut tx = call.shared.database.begin().await?;
        tx.publish(published);
        tx.commit().await
    };
    recorded.await.map_err(|error: storage::Error| {
        tracing::warn!(error = &error as &dyn std::error::Error, "an event of a plugin cannot be recorded");
        "the event cannot be recorded at the moment: try again".to_owned()
    })?;
    Ok(json!({"id": id}).to_string())
}
