//! One API over what tenants have connected: each connector turns the unified operations into calls of one vendor.

/// Declares the module of each connector and makes the registry of them: a line for each. The modules are public for their tests
/// and for what the program sets up of one.
macro_rules! connectors {
    ($parts:ident => $($module:ident: $connector:ident::new($part:expr)),+ $(,)?) => {
        $(pub mod $module;)+

        /// The ids of the connectors there are, which are the names of their modules.
        pub const IDS: &[&str] = &[$(stringify!($module)),+];

        /// The connectors there are, by id.
        pub(crate) fn registry($parts: &Parts) -> Vec<Box<dyn connector::Connector>> {
            vec![$(Box::new($module::$connector::new($part))),+]
        }
    };
}

// In the order of their names. `cargo fmt` does not look into these modules: `scripts/format` does.
connectors! { parts =>
    bitbucket: BitbucketConnector::new(&parts.http),
    calendar: CalendarConnector::new(&parts.http),
    confluence: ConfluenceConnector::new(&parts.http),
    drive: DriveConnector::new(&parts.http),
    github: GitHubConnector::new(&parts.http),
    gmail: GmailConnector::new(&parts.http),
    jira: JiraConnector::new(&parts.http),
    lexmodo: LexmodoConnector::new(parts.lexmodo.clone()),
    notes: NotesConnector::new(&parts.http),
    slack: SlackConnector::new(&parts.http),
}

mod activity;
mod ahead;
mod answer;
mod atlassian;
pub mod comments;
pub mod communication;
pub mod connector;
mod connectors;
pub mod containers;
pub mod content;
mod context;
mod credential;
mod dispatch;
mod enclosed;
mod error;
mod fields;
mod filters;
mod google;
mod html;
pub mod http;
mod item;
mod page_token;
mod parameters;
pub mod project;
pub mod proxy;
mod reconnect;
mod recorded;
mod seen;

pub use connectors::{ConnectorInfo, Connectors, Done, Parts, Wanted};
pub use context::{Acting, Asker, Context, Kept};
pub use credential::Credential;
pub use dispatch::Interrupted;
pub use error::Error;
pub use item::{Author, Item, Items, Page};
