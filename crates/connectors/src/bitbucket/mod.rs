//! Bitbucket Cloud: repositories and their pull requests as items, workspaces as what they stand in.
//! <https://developer.atlassian.com/cloud/bitbucket/rest/intro/>

mod account;
mod comment;
mod comments;
mod connector;
mod containers;
mod data;
mod description;
mod dialect;
mod name;
mod page;
mod pull_request;
mod pull_request_fields;
mod query;
mod repository;
mod repository_fields;
mod sought;
mod tour;

pub use connector::BitbucketConnector;
