//! Jira, against answers in the shapes of its documentation.

mod changing;
mod comments;
mod projects;
mod refusals;
mod reading;
mod world;
