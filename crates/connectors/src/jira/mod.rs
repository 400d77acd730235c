//! Jira: issues as items, and the projects that they stand in. <https://developer.atlassian.com/cloud/jira/platform/rest/v3/intro/>
//!
//! An issue's id is its number at the site, which stays when it moves to another project; its key, `ACME-7`, is taken wherever an
//! id is. Texts are Markdown.

mod adf;
mod change;
mod comments;
mod connector;
mod counts;
mod data;
mod description;
mod fields;
mod issue;
mod jql;
mod jql_text;
mod kinds;
mod offset;
mod project;

pub use connector::JiraConnector;
