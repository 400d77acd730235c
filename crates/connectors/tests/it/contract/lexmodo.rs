//! The customers of the Lexmodo platform's stores, whose service has no description beyond its messages: a server in Python
//! holds it.

use std::sync::Arc;

use connectors::Context;

use super::exercise::{Samples, page};
use super::{connected, twice};
use crate::lexmodo::platform::Platform;
use crate::lexmodo::tokens::Tokens;

/// A store that the server has.
const STORE: u64 = 7;

pub(super) async fn does_all_that_it_says() {
    let platform = Platform::start().await;
    let customers = platform.customers.clone();
    let (connectors, context, _folder) =
        connected("lexmodo", "http://localhost/", |parts| parts.lexmodo = Some(customers)).await;
    let credential = Tokens::new([format!("first-{STORE}")]);
    let tenant = format!("lexmodo:{STORE}").parse().unwrap();
    let context = Context { tenant, credential: Arc::clone(&credential) as _, ..context };
    let samples = Samples {
        lists: vec![page(&[]), page(&[("rule_id", "with-phone")])],
        searches: vec![("Ann", page(&[])), ("@", page(&[("rule_id", "with-phone")]))],
        items: vec!["7-000001", "7-000002"],
        ..Samples::default()
    };
    let failed = twice(connectors.get("lexmodo").unwrap(), &context, &samples).await;
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!((platform.calls().await, credential.refused()), (2 * 7, 0));
}
