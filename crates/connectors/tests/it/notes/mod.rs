//! The connector `notes` against the real sandbox.

pub(crate) mod sandbox;

use connectors::{Error, Item, Wanted};
use model::{Coded as _, ErrorCode};
use serde_json::json;

use crate::caller::{ann, fields, pointers, wanted};
use sandbox::Desk;

fn titles(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.title.as_deref().unwrap()).collect()
}

#[tokio::test]
async fn a_note_is_made_read_changed_and_deleted() {
    let desk = Desk::new("notes.read notes.write").await;
    let connectors = &desk.connectors;
    assert!(connectors.test(&ann(), "notes").await.unwrap().result.is_ok());
    let draft = fields(json!({"title": "Zażółć <b>", "text": "gęślą\njaźń"}));
    let made = connectors.create(&ann(), "notes", &draft).await.unwrap().result;
    assert_eq!((made.kind, made.title.as_deref()), ("note", Some("Zażółć <b>")));
    assert_eq!(made.text.as_deref(), Some("gęślą\njaźń"));
    assert!(made.created_at.is_some() && made.created_at == made.updated_at && made.raw.is_none());

    let read = connectors.item(&ann(), "notes", &made.id, true).await.unwrap().result;
    let raw = read.raw.clone().unwrap();
    assert_eq!((&raw["id"], &raw["title"]), (&json!(made.id), &json!("Zażółć <b>")));
    assert_eq!(Item { raw: None, ..read }, made);

    let change = fields(json!({"title": "Other", "text": null}));
    let changed = connectors.update(&ann(), "notes", &made.id, &change).await.unwrap().result;
    assert_eq!((changed.title.as_deref(), &changed.text), (Some("Other"), &made.text));

    connectors.delete(&ann(), "notes", &made.id).await.unwrap();
    let gone = connectors.item(&ann(), "notes", &made.id, false).await.unwrap_err();
    assert_eq!(gone.to_string(), format!("there is no note {}", made.id));
    let gone = connectors.delete(&ann(), "notes", &made.id).await.unwrap_err();
    assert_eq!(gone.code(), ErrorCode::NotFound);
}

#[tokio::test]
async fn notes_are_listed_and_found_page_by_page() {
    let desk = Desk::new("notes.read").await;
    let all = desk.connectors.list_items(&ann(), "notes", &wanted(100)).await.unwrap().result;
    assert_eq!((all.items.len(), all.next), (5, None));
    let (mut paged, mut page) = (Vec::new(), wanted(2));
    loop {
        let listed = desk.connectors.list_items(&ann(), "notes", &page).await.unwrap().result;
        assert!(listed.items.len() <= 2);
        paged.extend(listed.items);
        let Some(next) = listed.next else { break };
        page.page_token = Some(next);
    }
    assert_eq!(titles(&paged), titles(&all.items));

    let first = desk.connectors.search(&ann(), "notes", "INVOICE", &wanted(1)).await.unwrap().result;
    assert_eq!(titles(&first.items), ["Call back"]);
    let second = Wanted { page_token: first.next, ..wanted(1) };
    let second = desk.connectors.search(&ann(), "notes", "INVOICE", &second).await.unwrap().result;
    assert_eq!((titles(&second.items), second.next), (vec!["Invoice 2026-118"], None));
}

#[tokio::test]
async fn what_the_sandbox_refuses_is_told_in_its_words() {
    let desk = Desk::new("notes.read notes.write").await;
    let long = fields(json!({"title": "x".repeat(201)}));
    let error = desk.connectors.create(&ann(), "notes", &long).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::UpstreamRejected);
    assert!(error.to_string().ends_with("the title must have 1 to 200 characters"), "{error}");
}

#[tokio::test]
async fn what_is_no_note_is_not_sent() {
    let desk = Desk::new("notes.read notes.write").await;
    let draft = fields(json!({"text": "x", "colour": "red"}));
    let error = desk.connectors.create(&ann(), "notes", &draft).await.unwrap_err();
    assert_eq!(pointers(&error), ["/colour", "/title"]);
    let error = desk.connectors.update(&ann(), "notes", "n", &fields(json!({}))).await.unwrap_err();
    assert_eq!(pointers(&error), [""]);
}

#[tokio::test]
async fn a_full_desk_is_no_conflict() {
    let desk = Desk::new("notes.read notes.write").await;
    let draft = fields(json!({"title": "x"}));
    for _ in 5..200 {
        desk.connectors.create(&ann(), "notes", &draft).await.unwrap();
    }
    let full = desk.connectors.create(&ann(), "notes", &draft).await.unwrap_err();
    assert_eq!(full.code(), ErrorCode::UpstreamRejected);
    assert!(full.to_string().contains("a person may have 200 notes"), "{full}");
}

#[tokio::test]
async fn what_was_not_granted_cannot_be_done() {
    let desk = Desk::new("notes.read").await;
    let draft = fields(json!({"title": "x"}));
    let error = desk.connectors.create(&ann(), "notes", &draft).await.unwrap_err();
    let Error::InsufficientScope { scopes, reconnect, .. } = error else { panic!("{error}") };
    assert_eq!(scopes, ["notes.write"]);
    assert!(reconnect.contains("/auth/sandbox/url?") && reconnect.contains("notes.write"), "{reconnect}");
}

/// As it is in production.
#[tokio::test]
async fn without_a_sandbox_it_is_not_configured() {
    let connectors = Desk::without_sandbox().await;
    let listed = connectors.connectors.list(&ann().tenant).await.unwrap();
    let notes = listed.iter().find(|info| info.description.id == "notes").unwrap();
    assert!(!notes.configured);
    let error = connectors.connectors.list_items(&ann(), "notes", &wanted(5)).await.unwrap_err();
    assert!(error.to_string().contains("sandbox"), "{error}");
}
