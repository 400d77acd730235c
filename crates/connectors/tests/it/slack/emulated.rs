//! Every operation but search, and the paths between them, against the emulated workspace.

use connectors::communication::Audience;
use futures::StreamExt as _;
use model::{Coded as _, ErrorCode};
use serde_json::json;

use super::workspace::{BOT, Workspace, of_channel};
use crate::caller::{ann, fields, wanted};

#[tokio::test]
async fn channels_are_listed_page_by_page_and_told() {
    let world = Workspace::new(BOT, &[]).await;
    let all = world.channels(&wanted(100)).await;
    let names: Vec<&str> = all.iter().filter_map(|channel| channel.name.as_deref()).collect();
    assert!(names.contains(&"general") && names.contains(&"support"), "{names:?}");
    let (mut seen, mut page_token) = (Vec::new(), None);
    loop {
        let one = connectors::Wanted { page_token, ..wanted(1) };
        let page = world.connectors.channels(&ann(), "slack", &one).await.unwrap().result;
        seen.extend(page.items);
        page_token = page.next;
        if page_token.is_none() {
            break;
        }
    }
    assert_eq!(seen, all);
    let support = world.id("support").await;
    let told = world.connectors.channel(&ann(), "slack", &support, true).await.unwrap().result;
    assert_eq!((told.audience, told.is_archived), (Audience::Public, false));
    assert_eq!(told.topic.as_deref(), Some("Questions of customers"));
    assert!(told.created_at.is_some() && told.raw.unwrap()["name"] == "support");
    for unknown in ["C0", "../auth.test", ""] {
        let error = world.connectors.channel(&ann(), "slack", unknown, false).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{unknown}: {error}");
    }
}

#[tokio::test]
async fn messages_are_read_as_items() {
    let world = Workspace::new(BOT, &[]).await;
    let general = world.id("general").await;
    let listed = world.connectors.list_items(&ann(), "slack", &of_channel(&general, &[])).await.unwrap();
    let texts: Vec<_> = listed.result.items.iter().map(|item| item.text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["The release is on Thursday.", "Welcome, everybody."], "the newest first");
    let first = &listed.result.items[0];
    assert_eq!((first.kind, first.container_id.as_deref()), ("message", Some(general.as_str())));
    assert!(first.author.is_some() && first.created_at.is_some() && first.raw.is_none(), "{first:?}");
    assert_eq!(world.messages(&general, None).await.unwrap(), listed.result, "the same in the other words");
    let got = world.connectors.item(&ann(), "slack", &listed.result.items[1].id, true).await.unwrap().result;
    assert_eq!(got.text.as_deref(), Some("Welcome, everybody."));
    assert_eq!(got.raw.unwrap()["text"], "Welcome, everybody.");
    for unknown in [format!("{general}:1.000001"), "C0:1.000001".into(), general.clone(), "nonsense".into()] {
        let error = world.connectors.item(&ann(), "slack", &unknown, false).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::NotFound, "{unknown}: {error}");
    }
    let nowhere = world.connectors.list_items(&ann(), "slack", &wanted(5)).await.unwrap_err();
    assert_eq!((nowhere.code(), nowhere.violations().len()), (ErrorCode::ValidationFailed, 1));
    let vague = of_channel(&general, &[("after", "yesterday")]);
    let vague = world.connectors.list_items(&ann(), "slack", &vague).await.unwrap_err();
    assert!(vague.violations()[0].detail.starts_with("after must be like"), "{vague:?}");
}

#[tokio::test]
async fn a_message_is_answered_in_its_thread() {
    let world = Workspace::new(BOT, &[]).await;
    let support = world.id("support").await;
    let first = world.send(&support, "Who takes <this> & that?", None).await.unwrap();
    assert!(first.id.starts_with(&format!("{support}:")) && first.author.is_some(), "{first:?}");
    let answer = world.send(&support, "I do.", Some(&first.id)).await.unwrap();
    let thread = world.messages(&support, Some(&first.id)).await.unwrap();
    let ids: Vec<_> = thread.items.iter().map(|item| item.id.clone()).collect();
    assert_eq!(ids, [first.id.clone(), answer.id.clone()]);
    assert_eq!(thread.items[0].extra["replies"], 1);
    let got = world.connectors.item(&ann(), "slack", &answer.id, false).await.unwrap().result;
    assert_eq!(got.text.as_deref(), Some("I do."), "though it is not in the channel's history");
    let filtered = of_channel(&support, &[("thread", &first.id)]);
    let filtered = world.connectors.list_items(&ann(), "slack", &filtered).await.unwrap().result;
    assert_eq!(filtered, thread);
}

#[tokio::test]
async fn an_item_is_made_changed_and_deleted() {
    let world = Workspace::new(BOT, &[]).await;
    let general = world.id("general").await;
    let made = fields(json!({"channel": general, "text": "Drafft"}));
    let made = world.connectors.create(&ann(), "slack", &made).await.unwrap().result;
    assert_eq!(made.text.as_deref(), Some("Drafft"));
    let text = fields(json!({"text": "Draft"}));
    let changed = world.connectors.update(&ann(), "slack", &made.id, &text).await.unwrap().result;
    assert_eq!((changed.id.as_str(), changed.text.as_deref()), (made.id.as_str(), Some("Draft")));
    assert!(changed.updated_at.is_some(), "{changed:?}");
    world.connectors.delete(&ann(), "slack", &made.id).await.unwrap();
    let gone = world.connectors.delete(&ann(), "slack", &made.id).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NotFound);
    let others = world.messages(&general, None).await.unwrap().items.remove(0).id;
    for refused in [
        world.connectors.update(&ann(), "slack", &others, &text).await.map(drop),
        world.connectors.delete(&ann(), "slack", &others).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.code(), ErrorCode::UpstreamRejected);
        assert!(error.to_string().contains("only the account that sent a message"), "{error}");
    }
    let wrong = fields(json!({"channel": "general", "txt": "x"}));
    let wrong = world.connectors.create(&ann(), "slack", &wrong).await.unwrap_err();
    let pointers: Vec<_> = wrong.violations().into_iter().map(|each| each.pointer).collect();
    assert_eq!(pointers, ["/txt", "/channel", "/text"]);
}

#[tokio::test]
async fn members_are_listed() {
    let world = Workspace::new(BOT, &[]).await;
    let users = world.connectors.users(&ann(), "slack", &wanted(100)).await.unwrap().result.items;
    let ann = users.iter().find(|user| user.name.as_deref() == Some("ann")).unwrap();
    assert_eq!((ann.full_name.as_deref(), ann.is_bot, ann.is_active), (Some("Ann Archer"), false, true));
    assert_eq!(ann.email, None, "the grant does not let it be seen");
}

#[tokio::test]
async fn a_connection_is_tested_and_told_what_it_lacks() {
    let world = Workspace::new(&["channels:read"], &["channels:read", "chat:write"]).await;
    world.connectors.test(&ann(), "slack").await.unwrap().result.unwrap();
    let support = world.id("support").await;
    // The bot may not write; the user may, and so does.
    world.send(&support, "As Ann.", None).await.unwrap();
    let lacking = world.messages(&support, None).await.unwrap_err();
    assert_eq!(lacking.code(), ErrorCode::InsufficientScope);
    let reconnect = lacking.extensions().reconnect.unwrap();
    assert!(reconnect.contains("scopes=channels%3Ahistory&scopes=channels%3Aread"), "{reconnect}");
    assert!(reconnect.contains("scopes%5Buser%5D=chat%3Awrite"), "what Ann granted is kept: {reconnect}");
    let lacking = world.connectors.search(&ann(), "slack", "x", &wanted(5)).await.unwrap_err();
    let reconnect = lacking.extensions().reconnect.unwrap();
    assert!(reconnect.contains("scopes%5Buser%5D=search%3Aread.public"), "{reconnect}");
    let description = world.connectors.get("slack").unwrap().description();
    let connection = world.connectors.capabilities(&ann(), "slack").await.unwrap().connection;
    let granted = description.operations.iter().filter(|each| description.is_granted(each, &connection));
    let granted: Vec<_> = granted.map(|each| each.operation.as_str()).collect();
    assert_eq!(granted, ["create", "update", "delete", "channels", "channel", "send_message"]);
}

#[tokio::test]
async fn all_messages_come_as_one_stream() {
    let world = Workspace::new(BOT, &[]).await;
    let general = world.id("general").await;
    for number in 0..5 {
        let text = json!({"channel": general, "text": format!("Message {number}")});
        world.connectors.create(&ann(), "slack", &fields(text)).await.unwrap();
    }
    let all = world.connectors.list_items(&ann(), "slack", &of_channel(&general, &[])).await.unwrap().result;
    for max_results in [1, 2, 100] {
        let asked = connectors::Wanted { max_results, ..of_channel(&general, &[]) };
        let streamed = world.connectors.stream_items(&ann(), "slack", None, &asked).await.unwrap().result;
        let pages: Vec<_> = streamed.map(Result::unwrap).collect().await;
        assert!(pages.len() > 6 / usize::try_from(max_results).unwrap(), "{}", pages.len());
        assert_eq!(pages.concat(), all.items, "{max_results}");
    }
    assert_eq!(all.items.len(), 7);
}
