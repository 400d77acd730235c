//! Two stores at once, over one connection: neither sees the other's customers or speaks with the other's token.

use std::collections::HashSet;

use connectors::lexmodo::Store;
use futures::future::join_all;
use futures::join;
use model::ErrorCode;

use super::platform::{Platform, ids, read, store, told};
use super::tokens::Tokens;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_at_once_each_get_their_own_stores_customer() {
    let platform = Platform::start().await;
    let calls = (0..200).map(|number| {
        let (customers, store) = (platform.customers.clone(), store(7 + number % 2));
        tokio::spawn(async move {
            let id = format!("{}-{:06}", store.id, number + 1);
            let customer = customers.customer(&store, &id).await.unwrap();
            assert_eq!(customer.id, id);
            if let Some(email) = customer.email {
                assert!(email.ends_with(&format!("@store-{}.example", store.id)), "{email}");
            }
        })
    });
    for call in join_all(calls).await {
        call.unwrap();
    }
    let calls = platform.server.calls().await.unwrap();
    assert_eq!(calls.len(), 200);
    let of = |store| {
        let calls = calls.iter().filter(move |call| call.store == Some(store));
        calls.map(|call| call.authorization_sha256.clone().unwrap()).collect::<HashSet<_>>()
    };
    assert!(of(7).len() == 1 && of(8).len() == 1 && of(7) != of(8), "each store has one token");
    let connections: HashSet<_> = calls.iter().map(|call| &call.peer).collect();
    assert_eq!(connections.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_listings_at_once_keep_apart() {
    let platform = Platform::start().await;
    let (of_7, of_8) = join!(read(platform.pages_of(store(7), 20)), read(platform.pages_of(store(8), 20)));
    assert!(of_7.1.is_none() && of_7.0 == ids(7, 250), "{:?}", of_7.1);
    assert!(of_8.1.is_none() && of_8.0 == ids(8, 250), "{:?}", of_8.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_store_is_refused_and_not_renewed() {
    let platform = Platform::start().await;
    let credential = Tokens::new(["first-8", "second-8"]);
    let wrong = Store { id: 7, credential: credential.clone() };
    let (code, text) = told(platform.customers.customer(&wrong, "8-000001").await);
    assert_eq!(code, ErrorCode::InsufficientScope);
    assert!(text.contains("the access token is of another store"), "{text}");
    assert_eq!((credential.refused(), platform.calls().await), (0, 1));
}
