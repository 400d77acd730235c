//! Google Drive: files as items, shared drives as what they stand in.
//! <https://developers.google.com/workspace/drive/api/reference/rest/v3>

mod connector;
mod content;
mod drives;
mod fields;
mod file;
mod query;

pub use connector::DriveConnector;
