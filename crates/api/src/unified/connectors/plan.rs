//! Projects and issues as JSON.

use std::collections::BTreeMap;

use ::connectors::project::{Assignment, IssueChanges, NewIssue, ProjectInfo, Summary};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::answer::{one, page};
use super::body::ItemBody;

/// A project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
pub(in crate::unified) struct ProjectBody {
    /// Its id at the vendor.
    #[schema(example = "10001")]
    id: String,
    /// By which people call it, in the names of its issues.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ACME")]
    key: Option<String>,
    /// What it is called.
    #[schema(example = "The shop")]
    name: String,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Who leads it, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Ann Lee")]
    lead: Option<String>,
    /// The vendor's answer as it came, with `raw=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<Value>,
}

impl From<ProjectInfo> for ProjectBody {
    fn from(project: ProjectInfo) -> Self {
        Self {
            id: project.id,
            key: project.key,
            name: project.name,
            text: project.text,
            url: project.url,
            lead: project.lead,
            raw: project.raw,
        }
    }
}

/// How a project stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectSummary)]
pub(super) struct SummaryBody {
    /// The project.
    project: ProjectBody,
    /// How many issues there are, as far as the vendor tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    issues: Option<u64>,
    /// How many of them in each state.
    #[schema(example = json!({"Done": 30, "To do": 12}))]
    by_status: BTreeMap<String, u64>,
    /// How many of what kind.
    #[schema(example = json!({"Bug": 10, "Task": 32}))]
    by_type: BTreeMap<String, u64>,
}

impl From<Summary> for SummaryBody {
    fn from(summary: Summary) -> Self {
        Self {
            project: summary.project.into(),
            issues: summary.issues,
            by_status: summary.by_status,
            by_type: summary.by_kind,
        }
    }
}

page! {
    /// A page of projects.
    ProjectPage { projects: ProjectBody }
}
page! {
    /// A page of issues.
    IssuePage { issues: ItemBody }
}
one! {
    /// A project.
    ProjectResult { project: ProjectBody }
}
one! {
    /// An issue.
    IssueResult { issue: ItemBody }
}
one! {
    /// How a project stands.
    SummaryResult { summary: SummaryBody }
}

/// An issue to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewIssue, example = json!({"title": "The cart forgets", "type": "Bug", "labels": ["cart"]}))]
pub(super) struct NewIssueBody {
    /// What it is called.
    pub(super) title: String,
    /// What it says, in Markdown.
    text: Option<String>,
    /// What it is, in the project's words. The connector chooses where it is left out.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// Who is to do it, by the id at the vendor.
    assignee: Option<String>,
    /// How urgent it is, in the vendor's words.
    priority: Option<String>,
    /// By which it is found.
    #[serde(default)]
    labels: Vec<String>,
    /// The issue that it is part of.
    parent: Option<String>,
    /// Fields of the vendor's own, as they are sent.
    #[serde(default)]
    extra: Map<String, Value>,
}

impl NewIssueBody {
    /// The issue, to be made in this project.
    pub(super) fn of(self, project: String) -> NewIssue {
        let Self { title, text, kind, assignee, priority, labels, parent, extra } = self;
        NewIssue { project, kind, title, text, assignee, priority, labels, parent, extra }
    }
}

/// What is to change of an issue; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IssueChanges, example = json!({"status": "Done", "comment": "Released today."}))]
pub(super) struct ChangesBody {
    /// What it is called.
    pub(super) title: Option<String>,
    /// What it says, in Markdown.
    text: Option<String>,
    /// Who is to do it, by the id at the vendor; null for nobody.
    #[serde(default, deserialize_with = "assignment")]
    #[schema(value_type = Option<String>)]
    assignee: Option<Assignment>,
    /// How urgent it is, in the vendor's words.
    priority: Option<String>,
    /// By which it is found, all of them.
    labels: Option<Vec<String>>,
    /// The state that it goes to, by name.
    status: Option<String>,
    /// A comment to add, in Markdown.
    comment: Option<String>,
    /// Fields of the vendor's own, as they are sent.
    #[serde(default)]
    extra: Map<String, Value>,
}

/// What is given; null is nobody.
fn assignment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Assignment>, D::Error> {
    let id = Option::deserialize(deserializer)?;
    Ok(Some(id.map_or(Assignment::Nobody, Assignment::To)))
}

impl From<ChangesBody> for IssueChanges {
    fn from(body: ChangesBody) -> Self {
        let ChangesBody { title, text, assignee, priority, labels, status, comment, extra } = body;
        Self { title, text, assignee, priority, labels, status, comment, extra }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changes(body: Value) -> Result<IssueChanges, String> {
        let body: Result<ChangesBody, _> = serde_json::from_value(body);
        body.map(Into::into).map_err(|error| error.to_string())
    }

    #[test]
    fn nobody_is_told_from_what_stays() {
        assert_eq!(changes(json!({})), Ok(IssueChanges::default()));
        assert_eq!(changes(json!({"assignee": null})).unwrap().assignee, Some(Assignment::Nobody));
        let to = changes(json!({"assignee": "u7", "labels": []})).unwrap();
        assert_eq!((to.assignee, to.labels), (Some(Assignment::To("u7".into())), Some(Vec::new())));
        assert!(changes(json!({"asignee": "u7"})).unwrap_err().contains("unknown field `asignee`"));
    }

    #[test]
    fn an_issue_is_made_in_its_project() {
        let body = json!({"title": "t", "type": "Bug", "labels": ["a"], "extra": {"customfield_1": 7}});
        let issue = serde_json::from_value::<NewIssueBody>(body).unwrap().of("ACME".into());
        let extra = [("customfield_1".to_owned(), json!(7))].into_iter().collect();
        let (project, kind, labels) = ("ACME".into(), Some("Bug".into()), vec!["a".into()]);
        assert_eq!(
            issue,
            NewIssue { project, kind, title: "t".into(), labels, extra, ..NewIssue::default() }
        );
    }
}
