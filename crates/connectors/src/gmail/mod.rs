//! Gmail: messages as items, labels as what they stand in. <https://developers.google.com/workspace/gmail/api/reference/rest>

mod compose;
mod connector;
mod content;
mod decoding;
mod header;
mod item;
mod labels;
mod message;
mod text;

pub use connector::GmailConnector;
