//! Requests that no client of ours would send.

use reqwest::Method;
use testkit::Backend;

use super::{CONNECTORS, Mall, id};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(
    any_text_can_be_asked_for_as_an_id,
    page_sizes_have_bounds,
    a_head_is_an_answer_without_its_body,
    pages_of_other_sites_read_nothing,
);

async fn any_text_can_be_asked_for_as_an_id(backend: Backend) {
    let mall = Mall::connected(backend).await;
    let long = "x".repeat(256);
    // What arrives at the platform is what was meant, whatever has to be written as percent signs.
    for (path, meant) in [
        ("a%2Fb", "a/b"),
        ("..%2F..%2Fhealth", "../../health"),
        ("%E7%8E%8B", "王"),
        ("100%25", "100%"),
        ("a+b", "a+b"),
        ("a%3Fb%23c", "a?b#c"),
        (long.as_str(), long.as_str()),
    ] {
        mall.platform.forget_calls().await.unwrap();
        mall.get(7, &format!("/lexmodo/customers/{path}")).await.problem("not_found");
        mall.get(7, &format!("{CONNECTORS}/lexmodo/items/{path}")).await.problem("not_found");
        let calls = mall.platform.calls().await.unwrap();
        let asked: Vec<_> = calls.iter().map(|call| call.request["customer_id"].as_str().unwrap()).collect();
        assert_eq!(asked, [meant, meant]);
    }
    mall.platform.forget_calls().await.unwrap();
    for path in ["a%0Ab", "%20", "%7F", "a%09b", &"x".repeat(257)] {
        for route in ["/lexmodo/customers".to_owned(), format!("{CONNECTORS}/lexmodo/items")] {
            let refused = mall.get(7, &format!("{route}/{path}")).await;
            assert_eq!(refused.pointers("validation_failed"), ["/id"], "{route} {path}");
        }
    }
    mall.get(7, "/lexmodo/customers/%00").await.problem("not_found");
    let no_text = mall.get(7, "/lexmodo/customers/%FF").await;
    assert_eq!(no_text.status, 400, "{}", no_text.text);
    assert_eq!(mall.calls().await, 0);
}

async fn page_sizes_have_bounds(backend: Backend) {
    let mall = Mall::connected(backend).await;
    for route in ["/lexmodo/customers", "/lexmodo/customers/stream"] {
        for wrong in ["0", "1001", "4294967295"] {
            let refused = mall.get(7, &format!("{route}?display_result={wrong}")).await;
            assert_eq!(refused.pointers("validation_failed"), ["/display_result"], "{route} {wrong}");
        }
        for wrong in ["-1", "abc", "1.5", "4294967296", "1&display_result=2"] {
            let refused = mall.get(7, &format!("{route}?display_result={wrong}")).await;
            assert_eq!(refused.status, 400, "{route} {wrong}: {}", refused.text);
        }
    }
    assert_eq!(mall.calls().await, 0);
}

async fn a_head_is_an_answer_without_its_body(backend: Backend) {
    let mall = Mall::connected(backend).await;
    for (path, status) in [
        (format!("/lexmodo/customers/{}", id(7, 1)), 200),
        ("/lexmodo/customers?display_result=10".to_owned(), 200),
        ("/lexmodo/customers/stream?display_result=10".to_owned(), 200),
        ("/lexmodo/customers/7-999999".to_owned(), 404),
    ] {
        mall.platform.forget_calls().await.unwrap();
        let head = Answer::of(mall.request(7, Method::HEAD, &path)).await;
        assert_eq!((head.status, head.text.as_str()), (status, ""), "{path}");
        // The page that a stream has ahead may have been asked for; no other is.
        assert!((1..=2).contains(&mall.calls().await), "{path}");
    }
    assert_eq!(mall.uses(4).await.len(), 4);
}

async fn pages_of_other_sites_read_nothing(backend: Backend) {
    let own = "https://shop.example";
    let mall = Mall::connected_with(backend, |builder| builder.set("ALLOWED_ORIGINS", own)).await;
    for (origin, allowed) in [(own, Some(own)), ("https://elsewhere.example", None)] {
        let request = mall.request(7, Method::GET, "/lexmodo/customers/stream").header("origin", origin);
        let answer = Answer::of(request.header("accept-encoding", "gzip, br, zstd")).await;
        let told = answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!((told, answer.headers["cache-control"].to_str().unwrap()), (allowed, "no-store"));
        // A compressor would hold back lines.
        assert_eq!(answer.headers.get("content-encoding"), None);
    }
}
