//! Google Drive: files as items. <https://developers.google.com/workspace/drive/api/reference/rest/v3>

mod connector;
mod fields;
mod file;
mod query;

pub use connector::DriveConnector;
