//! How a project stands, in numbers.

use std::collections::BTreeMap;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::{Value, json};

use super::connector::Site;
use super::issue::text;
use super::jql::equals;
use crate::Error;

/// How many counts are asked for at once.
const AT_ONCE: usize = 4;

/// The most statuses and the most types that are counted.
const MAX_COUNTED: usize = 30;

/// The numbers of a project's issues.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) issues: Option<u64>,
    pub(super) by_status: BTreeMap<String, u64>,
    pub(super) by_kind: BTreeMap<String, u64>,
}

/// Counts the issues of a project: in all, in each of its statuses, and of each of its types. Jira estimates these numbers, and
/// what has just changed may not be in them:
/// <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issue-search/#api-rest-api-3-search-approximate-count-post>
pub(super) async fn counts(site: &Site<'_>, project: &str) -> Result<Counts, Error> {
    let request = site.get(&["project", project, "statuses"]).about("project", project).budget("statuses");
    let types: Value = request.value().await?;
    let types: Vec<&Value> = types.as_array().into_iter().flatten().collect();
    let statuses = types.iter().filter_map(|each| each.get("statuses")?.as_array()).flatten();
    let (by_status, by_kind) = (names(statuses), names(types.iter().copied()));
    Ok(Counts {
        issues: Some(count(site, equals("project", project)).await?),
        by_status: each(site, project, "status", by_status).await?,
        by_kind: each(site, project, "issuetype", by_kind).await?,
    })
}

/// Names by id; several types of a project share its statuses.
fn names<'a>(each: impl Iterator<Item = &'a Value>) -> BTreeMap<String, String> {
    let named =
        each.filter_map(|each| Some((text(each, "/id")?.to_owned(), text(each, "/name")?.to_owned())));
    named.collect::<BTreeMap<_, _>>().into_iter().take(MAX_COUNTED).collect()
}

async fn each(
    site: &Site<'_>,
    project: &str,
    field: &str,
    names: BTreeMap<String, String>,
) -> Result<BTreeMap<String, u64>, Error> {
    let mut counts = BTreeMap::new();
    let counted = names.into_iter().map(|(id, name)| {
        let jql = format!("{} AND {}", equals("project", project), equals(field, &id));
        async move { Ok::<_, Error>((name, count(site, jql).await?)) }
    });
    let mut counted = stream::iter(counted).buffered(AT_ONCE);
    while let Some((name, count)) = counted.try_next().await? {
        *counts.entry(name).or_default() += count;
    }
    Ok(counts)
}

async fn count(site: &Site<'_>, jql: String) -> Result<u64, Error> {
    let request = site.post(&["search", "approximate-count"]).body(&json!({"jql": jql})).repeatable();
    let answer: Value = request.budget("count").value().await?;
    Ok(answer.get("count").and_then(Value::as_u64).unwrap_or_default())
}
