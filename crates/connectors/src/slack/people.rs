//! Channels and members, normalised.

use model::Timestamp;
use serde_json::Value;

use super::calls::{is, text};
use crate::communication::{Audience, Channel, Member};

pub(super) fn channel(channel: Value, raw: bool) -> Channel {
    let audience = if is(&channel, "/is_im") {
        Audience::Direct
    } else if is(&channel, "/is_mpim") {
        Audience::Group
    } else if is(&channel, "/is_private") {
        Audience::Private
    } else {
        Audience::Public
    };
    let created = channel.get("created").and_then(Value::as_i64).and_then(|second| second.checked_mul(1000));
    Channel {
        id: text(&channel, "/id").unwrap_or_default(),
        name: text(&channel, "/name").filter(|_| audience != Audience::Direct),
        audience,
        with: text(&channel, "/user").filter(|_| audience == Audience::Direct),
        topic: text(&channel, "/topic/value"),
        purpose: text(&channel, "/purpose/value"),
        is_archived: is(&channel, "/is_archived"),
        is_member: channel.get("is_member").and_then(Value::as_bool),
        members: channel.get("num_members").and_then(Value::as_u64),
        created_at: created.map(Timestamp::from_millisecond),
        raw: raw.then_some(channel),
    }
}

pub(super) fn member(member: Value, raw: bool) -> Member {
    Member {
        id: text(&member, "/id").unwrap_or_default(),
        name: text(&member, "/profile/display_name").or_else(|| text(&member, "/name")),
        full_name: text(&member, "/profile/real_name").or_else(|| text(&member, "/real_name")),
        email: text(&member, "/profile/email"),
        // Slack's own is a program, though it is not said to be one.
        is_bot: is(&member, "/is_bot") || member.get("id").is_some_and(|id| id == "USLACKBOT"),
        is_active: !is(&member, "/deleted"),
        time_zone: text(&member, "/tz"),
        raw: raw.then_some(member),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_in_a_channel_is_told() {
        for (flags, audience) in [
            (json!({"is_channel": true}), Audience::Public),
            (json!({"is_private": true}), Audience::Private),
            (json!({"is_im": true, "is_private": true}), Audience::Direct),
            (json!({"is_mpim": true, "is_private": true}), Audience::Group),
        ] {
            assert_eq!(channel(flags, false).audience, audience);
        }
        let direct = channel(json!({"id": "D1", "is_im": true, "user": "U1", "name": "D1"}), false);
        assert_eq!((direct.name, direct.with.as_deref()), (None, Some("U1")));
    }

    #[test]
    fn members_are_told_from_programs_and_from_those_who_left() {
        let told = json!({"id": "U1", "name": "ann", "deleted": true, "tz": "Europe/Warsaw",
            "profile": {"display_name": "", "real_name": "Ann Archer", "email": "ann@example.com"}});
        let ann = member(told.clone(), true);
        assert_eq!((ann.name.as_deref(), ann.full_name.as_deref()), (Some("ann"), Some("Ann Archer")));
        assert_eq!((ann.is_bot, ann.is_active, ann.raw), (false, false, Some(told)));
        assert!(member(json!({"id": "USLACKBOT"}), false).is_bot);
    }
}
