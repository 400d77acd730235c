//! How callbacks answer: pages for people, JSON for programs, nothing that a cache or another site keeps.

use testkit::Backend;

use super::{AUTH, Broker, user};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(people_get_pages_and_programs_json);

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

#[track_caller]
fn check(answer: &Answer, status: u16, media_type: &str) {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], media_type);
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["referrer-policy"], "no-referrer");
    assert!(!answer.headers.contains_key("set-cookie"));
}

async fn people_get_pages_and_programs_json(backend: Backend) {
    let broker = Broker::start(backend).await;
    let ann = user("ann@acme.example");
    for (accept, page) in [(BROWSER, true), ("*/*", false), ("application/json", false)] {
        let begun = broker.begin(&ann, "").await;
        let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
        let send = || async {
            Answer::of(broker.coming_back(&address, &begun.cookie).header("accept", accept)).await
        };
        let (done, again) = (send().await, send().await);
        if page {
            check(&done, 200, "text/html; charset=utf-8");
            assert!(done.text.contains("Your account is connected"), "{}", done.text);
            check(&again, 409, "text/html; charset=utf-8");
            assert!(again.text.contains("was completed before"), "{}", again.text);
        } else {
            check(&done, 200, "application/json");
            check(&again, 409, "application/problem+json");
        }
    }
    let begun = broker.begin(&ann, "return_to=https://app.example/").await;
    let address = broker.provider.consent(begun.auth_url.as_str(), "ann").await.unwrap();
    let back = broker.come_back(&address, &begun.cookie).await;
    assert_eq!(back.status, 303, "{}", back.text);
    assert_eq!(back.headers["cache-control"], "no-store");
    assert_eq!(back.headers["referrer-policy"], "no-referrer");

    let begun = broker.get(&ann, &format!("{AUTH}/op/url")).await;
    begun.expect(200);
    assert_eq!(begun.headers["cache-control"], "no-store", "it has a state in it");
    // What the query has too much of is told to a person, too.
    let twice = format!("{AUTH}/op/callback?state=a&state=b");
    let refused = Answer::of(broker.deployment.server.get(&twice).header("accept", BROWSER)).await;
    assert_eq!(refused.status, 400, "{}", refused.text);
    assert_eq!(refused.headers["cache-control"], "no-store");
    assert_eq!(refused.headers["referrer-policy"], "no-referrer");
}
