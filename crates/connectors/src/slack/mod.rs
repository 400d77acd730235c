//! Slack: the messages of a workspace as items, its channels and its members, over the Web API
//! (<https://docs.slack.dev/reference/methods>).

mod calls;
mod communication;
mod connector;
mod data;
mod description;
mod dialect;
mod fields;
mod markup;
mod message;
mod moment;
mod people;

pub(crate) use connector::SlackConnector;
