//! GitHub: repositories as items and as projects, their issues and what is said about them, over the REST API
//! (<https://docs.github.com/en/rest>).
//!
//! The token of an OAuth app may do what its scopes say: read what is public with none, see and write private repositories
//! with `repo`, write public ones with `public_repo`, delete with `delete_repo`. The token of a GitHub App has no scopes: it
//! may do what the app's permissions say wherever it is installed, which only GitHub knows, so nothing is refused beforehand.
//! Both work the same; what is refused says which scope or which permission is missing.

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
