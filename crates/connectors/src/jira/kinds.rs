//! Which type an issue is to be of.

use serde_json::Value;

use super::connector::Site;
use super::fields::by_id_or;
use super::issue::text;
use crate::Error;
use crate::project::NewIssue;

/// The level of what is part of nothing: <https://support.atlassian.com/jira-cloud-administration/docs/what-are-issue-types/>.
const BASE: i64 = 0;

/// The type of a new issue: the one that is named, or else the project's own Task, or whatever comes first on the level below
/// its parent.
///
/// # Errors
/// [`Error::Invalid`] where the project has none there; [`Error::NotFound`] for a parent that is not there.
pub(super) async fn kind(site: &Site<'_>, issue: &NewIssue) -> Result<Value, Error> {
    if let Some(kind) = &issue.kind {
        return Ok(by_id_or("name", kind));
    }
    let level = match &issue.parent {
        Some(parent) => level(site, parent).await? - 1,
        None => BASE,
    };
    // https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/
    let request = site.get(&["issue", "createmeta", &issue.project, "issuetypes"]).query("maxResults", 200);
    let answer: Value = request.about("project", &issue.project).budget("issue types").value().await?;
    let types: Vec<&Value> =
        answer.get("issueTypes").and_then(Value::as_array).into_iter().flatten().collect();
    let on_level = || types.iter().filter(|each| level_of(each) == level);
    let chosen = on_level().find(|each| text(each, "/name") == Some("Task")).or_else(|| on_level().next());
    if let Some(id) = chosen.and_then(|chosen| text(chosen, "/id")) {
        return Ok(serde_json::json!({"id": id}));
    }
    let names: Vec<&str> = types.iter().filter_map(|each| text(each, "/name")).take(50).collect();
    let detail = format!("must be given: one of {}", names.join(", "));
    Err(Error::invalid("/issue_type", detail))
}

/// On which level an issue is.
async fn level(site: &Site<'_>, id: &str) -> Result<i64, Error> {
    let request = site.get(&["issue", id]).query("fields", "issuetype").about("issue", id);
    let issue: Value = request.budget("issue").value().await?;
    Ok(issue.pointer("/fields/issuetype").map_or(BASE, level_of))
}

fn level_of(kind: &Value) -> i64 {
    let is_part = kind.get("subtask").and_then(Value::as_bool).unwrap_or_default();
    kind.get("hierarchyLevel").and_then(Value::as_i64).unwrap_or(if is_part { -1 } else { BASE })
}
