//! Jira, against answers in the shapes of its documentation.

mod changing;
mod comments;
mod projects;
mod reading;
mod refusals;
mod world;
