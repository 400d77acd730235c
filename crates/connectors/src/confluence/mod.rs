//! Confluence: the pages of a site as items, its spaces and the comments on pages, over the REST API v2
//! (<https://developer.atlassian.com/cloud/confluence/rest/v2/intro/>); what CQL finds, over v1.

mod comments;
mod connector;
mod cql;
mod data;
mod description;
mod fields;
mod page;
mod paging;
mod spaces;
mod storage;

pub use connector::ConfluenceConnector;
