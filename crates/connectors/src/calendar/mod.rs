//! Google Calendar: events as items. <https://developers.google.com/workspace/calendar/api/v3/reference>

mod connector;
mod event;
mod fields;
mod id;

pub use connector::CalendarConnector;
