//! What the frame does for channels and projects, as for items.

use std::collections::BTreeSet;

use connections::{Direct, DirectGrant};
use connectors::communication::{Conversation, NewMessage};
use connectors::connector::Operation;
use connectors::http::Settings;
use connectors::project::{IssueChanges, NewIssue};
use connectors::{Connectors, Error, Wanted};
use model::{Coded as _, ErrorCode};
use tempfile::TempDir;

use crate::caller::ann;
use crate::desk::Desk;
use crate::house::house;
use crate::shelf::Shelf;

async fn connectors() -> (Connectors, TempDir) {
    let file = "[providers.library]\nflow = \"api_key\"\n";
    let (parts, folder) = house(file, &|_| None, Settings::default()).await;
    let direct = Direct {
        tenant: "acme".parse().unwrap(),
        actor: "u1".into(),
        provider: "library".into(),
        user_email: "ann@acme.example".into(),
        label: None,
        variables: [].into(),
        grant: DirectGrant::ApiKey("key-1".to_owned().into()),
    };
    parts.connections.connect(direct).await.unwrap();
    (Connectors::of(parts, vec![Box::new(Desk), Box::new(Shelf::default())]), folder)
}

fn after(page_token: Option<String>) -> Wanted {
    Wanted { max_results: 5, page_token, ..Wanted::default() }
}

fn conversation(channel: &str, thread: Option<&str>) -> Conversation {
    Conversation { channel: channel.into(), thread: thread.map(str::to_owned) }
}

#[tokio::test]
async fn channels_and_messages_reach_the_connector() {
    let (connectors, _folder) = connectors().await;
    let first = connectors.channels(&ann(), "desk", &after(None)).await.unwrap().result;
    assert_eq!(first.items[0].id, "1");
    let last = connectors.channels(&ann(), "desk", &after(first.next)).await.unwrap().result;
    assert_eq!((last.items[0].id.as_str(), last.next), ("2", None));
    let users = connectors.users(&ann(), "desk", &after(None)).await.unwrap().result;
    assert_eq!(users.items.len(), 1);
    let to = conversation("c", None);
    let sent = NewMessage { to, text: "hello".into() };
    let sent = connectors.send_message(&ann(), "desk", &sent).await.unwrap().result;
    assert_eq!((sent.id.as_str(), sent.text.as_deref()), ("c", Some("hello")));
}

#[tokio::test]
async fn projects_and_issues_reach_the_connector() {
    let (connectors, _folder) = connectors().await;
    let projects = connectors.projects(&ann(), "desk", &after(None)).await.unwrap().result;
    let next = connectors.projects(&ann(), "desk", &after(projects.next)).await.unwrap().result;
    assert_eq!((projects.items[0].id.as_str(), next.items[0].id.as_str()), ("1", "2"));
    assert_eq!(connectors.project(&ann(), "desk", "ACME", false).await.unwrap().result.id, "ACME");
    assert_eq!(connectors.issue(&ann(), "desk", "ACME-1", false).await.unwrap().result.id, "ACME-1");
    let new = NewIssue { project: "ACME".into(), title: "New".into(), ..NewIssue::default() };
    let made = connectors.create_issue(&ann(), "desk", &new).await.unwrap().result;
    assert_eq!((made.id.as_str(), made.text.as_deref()), ("ACME", Some("New")));
    let changes = IssueChanges { status: Some("Done".into()), ..IssueChanges::default() };
    let done = connectors.update_issue(&ann(), "desk", "ACME-1", &changes).await.unwrap().result;
    assert_eq!(done.text.as_deref(), Some("Done"));
    let mine = connectors.my_issues(&ann(), "desk", &after(None)).await.unwrap().result;
    assert_eq!(mine.items[0].text.as_deref(), Some("mine"));
    let summary = connectors.summary(&ann(), "desk", "ACME").await.unwrap().result;
    assert_eq!((summary.project.id.as_str(), summary.issues), ("ACME", Some(7)));
}

#[tokio::test]
async fn a_page_token_is_for_its_channel_thread_or_project() {
    let (connectors, _folder) = connectors().await;
    let thread = conversation("a", Some("t"));
    let page = connectors.messages(&ann(), "desk", &thread, &after(None)).await.unwrap().result;
    for other in [conversation("b", Some("t")), conversation("a", None), conversation("a", Some("u"))] {
        let refused = connectors.messages(&ann(), "desk", &other, &after(page.next.clone())).await;
        assert!(matches!(refused, Err(Error::PageToken { .. })), "{other:?}");
    }
    let next = connectors.messages(&ann(), "desk", &thread, &after(page.next)).await.unwrap().result;
    assert_eq!(next.items[0].text.as_deref(), Some("a/Some(\"t\")"));
    let issues = connectors.issues(&ann(), "desk", "ACME", &after(None)).await.unwrap().result;
    let other = connectors.issues(&ann(), "desk", "OTHER", &after(issues.next.clone())).await;
    assert!(matches!(other, Err(Error::PageToken { .. })));
    let mine = connectors.my_issues(&ann(), "desk", &after(issues.next.clone())).await;
    assert!(matches!(mine, Err(Error::PageToken { .. })));
    connectors.issues(&ann(), "desk", "ACME", &after(issues.next)).await.unwrap();
}

#[tokio::test]
async fn what_is_not_declared_or_not_there_is_unsupported() {
    let (connectors, _folder) = connectors().await;
    let code = |error: Error| error.code();
    let message = NewMessage::default();
    for refused in [
        // Not declared.
        connectors.channel(&ann(), "desk", "c", false).await.map(drop).map_err(code),
        connectors.send_message(&ann(), "shelf", &message).await.map(drop).map_err(code),
        connectors.my_issues(&ann(), "shelf", &after(None)).await.map(drop).map_err(code),
        // Declared, but it has no items.
        connectors.list_items(&ann(), "desk", &after(None)).await.map(drop).map_err(code),
    ] {
        assert_eq!(refused, Err(ErrorCode::Unsupported));
    }
}

#[tokio::test]
async fn what_a_connector_declares_it_has() {
    let (parts, _folder) = house("", &|_| None, Settings::default()).await;
    let connectors = Connectors::new(parts);
    let mut names = BTreeSet::new();
    for info in connectors.list(&"acme".parse().unwrap()).await.unwrap() {
        let description = info.description;
        let connector = connectors.get(description.id).unwrap();
        for name in description.aliases.iter().chain([&description.id]) {
            assert!(names.insert(*name), "{name} is said twice");
        }
        // What speaks no HTTP has no API to be called as it is.
        assert_eq!(connector.surfaces().raw.is_some(), description.id != "lexmodo", "{}", description.id);
        for ability in description.operations {
            let operation = ability.operation;
            let surfaces = connector.surfaces();
            let has = match operation {
                Operation::List
                | Operation::Get
                | Operation::Create
                | Operation::Update
                | Operation::Delete
                | Operation::Search => surfaces.data.is_some(),
                Operation::Channels
                | Operation::Channel
                | Operation::Messages
                | Operation::SendMessage
                | Operation::Users => surfaces.communication.is_some(),
                Operation::Projects
                | Operation::Project
                | Operation::Issues
                | Operation::Issue
                | Operation::CreateIssue
                | Operation::UpdateIssue
                | Operation::MyIssues
                | Operation::Summary => surfaces.project.is_some(),
                Operation::Containers => surfaces.containers.is_some(),
                Operation::Content => surfaces.content.is_some(),
                Operation::Comments | Operation::AddComment => surfaces.comments.is_some(),
            };
            assert!(has, "{} cannot {}", description.id, operation.as_str());
        }
    }
    assert!(names.contains("slack"), "{names:?}");
}
