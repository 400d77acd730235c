//! What the connector `slack` is and what it can.

use crate::connector::{Ability, Description, Filter, Operation};

/// Seeing which channels there are; which kinds of them depends on which of these were granted.
pub(super) const READ: &[&str] = &["channels:read", "groups:read", "im:read", "mpim:read"];
/// Reading messages, likewise.
const HISTORY: &[&str] = &["channels:history", "groups:history", "im:history", "mpim:history"];
const WRITE: &[&str] = &["chat:write"];
const USERS: &[&str] = &["users:read"];

/// For search as Slack now recommends it.
pub(super) const SEARCH_CONTEXT: &str = "search:read.public";
/// For the search before that.
const SEARCH_MESSAGES: &str = "search:read";

/// The filters, by name.
pub(super) const CHANNEL: &str = "channel";
pub(super) const THREAD: &str = "thread";
pub(super) const AFTER: &str = "after";
pub(super) const BEFORE: &str = "before";

pub(super) static DESCRIPTION: Description = Description {
    id: "slack",
    aliases: &[],
    provider: "slack",
    name: "Slack",
    items: "messages",
    operations: &[
        Ability { operation: Operation::List, scopes: &[HISTORY] },
        Ability { operation: Operation::Get, scopes: &[HISTORY] },
        Ability { operation: Operation::Create, scopes: &[WRITE] },
        Ability { operation: Operation::Update, scopes: &[WRITE] },
        Ability { operation: Operation::Delete, scopes: &[WRITE] },
        Ability { operation: Operation::Search, scopes: &[&[SEARCH_CONTEXT, SEARCH_MESSAGES]] },
        Ability { operation: Operation::Channels, scopes: &[READ] },
        Ability { operation: Operation::Channel, scopes: &[READ] },
        Ability { operation: Operation::Messages, scopes: &[HISTORY] },
        Ability { operation: Operation::SendMessage, scopes: &[WRITE] },
        Ability { operation: Operation::Users, scopes: &[USERS] },
    ],
    filters: &[
        Filter {
            name: CHANNEL,
            meaning: "the messages of this channel, by its id; without it nothing is listed",
        },
        Filter {
            name: THREAD,
            meaning: "of them, those of the thread that this message began, by its id or time stamp",
        },
        Filter {
            name: AFTER,
            meaning: "of them, those after this moment, as RFC 3339 or Slack's time stamp",
        },
        Filter {
            name: BEFORE,
            meaning: "of them, those before this moment, as RFC 3339 or Slack's time stamp",
        },
    ],
    // Slack recommends no more at once, and may give fewer.
    max_page: 200,
    // A bot may search only in answer to a message that it was sent.
    bound_scopes: &[(SEARCH_CONTEXT, "user"), (SEARCH_MESSAGES, "user")],
};
