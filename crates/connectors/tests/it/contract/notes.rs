//! The notes of the sandbox, which is there itself.

use connectors::Context;
use connectors::connector::Listing;
use serde_json::json;

use super::exercise::{Samples, exercise, page};
use crate::notes::sandbox::Desk;

pub(super) async fn does_all_that_it_says() {
    let desk = Desk::new("notes.read notes.write").await;
    let connector = desk.connectors.get("notes").unwrap();
    for raw in [false, true] {
        let context = Context { raw, ..desk.context().await };
        let all = Listing { max_results: 100, ..Listing::default() };
        let data = connector.surfaces().data.unwrap();
        let before = data.list(&context, &all).await.unwrap().items;
        let [kept, deleted, ..] = before.as_slice() else { panic!("there are two: {before:?}") };
        let (kept, deleted) = (kept.id.as_str(), deleted.id.as_str());
        let samples = Samples {
            lists: vec![page(&[])],
            searches: vec![("invoice", page(&[]))],
            items: vec![kept, deleted],
            deleted: vec![deleted],
            made: vec![json!({"title": "A"}), json!({"title": "B", "text": "x"})],
            changes: vec![(kept, json!({"title": "C"})), (kept, json!({"text": "y"}))],
            ..Samples::default()
        };
        let failed = exercise(connector, &context, &samples).await;
        assert!(failed.is_empty(), "{failed:#?}");
        let after = data.list(&context, &all).await.unwrap().items;
        assert_eq!(after.len(), before.len() + 1, "two are made, one is deleted");
    }
}
