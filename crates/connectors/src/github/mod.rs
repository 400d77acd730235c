//! GitHub: repositories as items and as projects, their issues and what is said about them, over the REST API
//! (<https://docs.github.com/en/rest>).

mod comments;
mod connector;
mod data;
mod dialect;
mod fields;
mod id;
mod issue;
mod project;
mod repository;

pub use connector::GitHubConnector;
