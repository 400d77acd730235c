//! Changing an issue: its fields, its status, and what is said about it.
//!
//! Jira has a call for each of these, and nothing that joins them. So all that can be known to be wrong is found before anything
//! is written; then the fields are written, then the status, and the comment last. What is written twice is the same, and a
//! status that is reached already is left alone, so a change that broke off may be asked for again, unless it is not known whether
//! the comment was made. An error says what was done before it.

use serde_json::{Map, Value, json};

use super::connector::Site;
use super::fields::{comment, of_changes};
use super::issue::text;
use crate::Error;
use crate::project::IssueChanges;

/// A change that can be made, as far as is known.
#[derive(Debug)]
pub(super) struct Change {
    fields: Map<String, Value>,
    transition: Option<Value>,
    comment: Option<Value>,
}

impl Change {
    /// Looks at what is to change, and finds the way to the status that is wanted.
    ///
    /// # Errors
    /// [`Error::Invalid`] with what is wrong; [`Error::NotFound`].
    pub(super) async fn of(site: &Site<'_>, id: &str, changes: &IssueChanges) -> Result<Self, Error> {
        let mut fields = of_changes(changes)?;
        let comment = changes.comment.as_deref().map(|text| comment(text, "/comment")).transpose()?;
        let transition = match &changes.status {
            Some(status) => transition(site, id, status, &mut fields, changes).await?,
            None => None,
        };
        Ok(Self { fields, transition, comment })
    }

    /// Makes the change.
    ///
    /// # Errors
    /// [`Error::Upstream`] and the like.
    pub(super) async fn make(self, site: &Site<'_>, id: &str) -> Result<(), Error> {
        let mut done = Vec::new();
        if !self.fields.is_empty() {
            // The same fields twice are the same, so this may be repeated, as its method says.
            let request = site.put(&["issue", id]).body(&json!({"fields": self.fields})).budget("edit issue");
            request.about("issue", id).done().await?;
            done.push("its fields were changed");
        }
        if let Some(transition) = self.transition {
            let request =
                site.post(&["issue", id, "transitions"]).body(&transition).budget("transition issue");
            request.about("issue", id).done().await.map_err(|error| after(error, &done))?;
            done.push("its status was changed");
        }
        if let Some(comment) = self.comment {
            let request = site.post(&["issue", id, "comment"]).body(&comment).budget("add comment");
            request.about("issue", id).done().await.map_err(|error| after(error, &done))?;
        }
        Ok(())
    }
}

/// The error, with what was done before it.
fn after(error: Error, done: &[&str]) -> Error {
    match error {
        Error::Upstream { provider, code, detail, retry_after, status, retryable } if !done.is_empty() => {
            let detail = format!("{detail} (before that, {})", done.join(" and "));
            Error::Upstream { provider, code, detail, retry_after, status, retryable }
        }
        other => other,
    }
}

/// The call that brings an issue to a status, by the name of either; `None` where it is there. Of the fields in Jira's own words,
/// those that the way asks for go with it.
async fn transition(
    site: &Site<'_>,
    id: &str,
    wanted: &str,
    fields: &mut Map<String, Value>,
    changes: &IssueChanges,
) -> Result<Option<Value>, Error> {
    let request = site.get(&["issue", id, "transitions"]).query("expand", "transitions.fields");
    let answer: Value = request.about("issue", id).budget("transitions").value().await?;
    let ways: Vec<&Value> =
        answer.get("transitions").and_then(Value::as_array).into_iter().flatten().collect();
    let Some(way) = way(&ways, wanted) else {
        let now = status(site, id).await?;
        return if now.as_deref().is_some_and(|now| is_same(now, wanted)) {
            Ok(None)
        } else {
            Err(no_way(&ways, now))
        };
    };
    let asked = way.get("fields").and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let with_it: Map<String, Value> = asked
        .filter(|name| changes.extra.contains_key(*name))
        .filter_map(|name| Some((name.clone(), fields.shift_remove(name)?)))
        .collect();
    let transition = json!({"id": text(way, "/id").unwrap_or_default()});
    Ok(Some(if with_it.is_empty() {
        json!({"transition": transition})
    } else {
        json!({"transition": transition, "fields": with_it})
    }))
}

/// The way by its own name, or else by that of the status that it leads to.
fn way<'a>(ways: &[&'a Value], wanted: &str) -> Option<&'a Value> {
    let named = |place: &'static str| {
        ways.iter().find(move |way| text(way, place).is_some_and(|name| is_same(name, wanted))).copied()
    };
    named("/name").or_else(|| named("/to/name"))
}

fn is_same(name: &str, wanted: &str) -> bool {
    name.trim().to_lowercase() == wanted.trim().to_lowercase()
}

async fn status(site: &Site<'_>, id: &str) -> Result<Option<String>, Error> {
    let request = site.get(&["issue", id]).query("fields", "status").about("issue", id).budget("issue");
    let issue: Value = request.value().await?;
    Ok(text(&issue, "/fields/status/name").map(str::to_owned))
}

fn no_way(ways: &[&Value], now: Option<String>) -> Error {
    let name = |way: &&Value| match (text(way, "/name"), text(way, "/to/name")) {
        (Some(name), Some(to)) if !is_same(name, to) => format!("{name} (to {to})"),
        (Some(name), _) | (None, Some(name)) => name.to_owned(),
        (None, None) => String::new(),
    };
    let names: Vec<String> = ways.iter().map(name).take(30).collect();
    let from = now.map(|now| format!(" from {now}")).unwrap_or_default();
    let detail = if names.is_empty() {
        format!("there is no way on{from} for this account")
    } else {
        format!("must be one of the ways on{from}: {}", names.join(", "))
    };
    Error::invalid("/status", detail)
}
