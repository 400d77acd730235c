//! Gmail: messages as items. <https://developers.google.com/workspace/gmail/api/reference/rest>

mod compose;
mod connector;
mod header;
mod item;
mod message;
mod text;

pub use connector::GmailConnector;
