//! Links that begin a flow in the browser that opens them: for backends, and for pages of other sites.

use model::Role;
use reqwest::{Method, Url};
use serde_json::json;
use testkit::{Backend, Browser};

use super::{AUTH, Broker, begun, credential, user, with_parameter};
use crate::deployment::{ADMIN, Answer, on_both_backends};

on_both_backends!(
    a_backends_link_binds_the_browser_that_opens_it,
    a_page_of_another_site_gets_a_link_that_asks_first,
);

async fn api_key(broker: &Broker) -> String {
    let made = broker.deployment.post(ADMIN, "/api-keys", &json!({"name": "backend"})).await.expect(201);
    made["secret"].as_str().unwrap().to_owned()
}

async fn a_backends_link_binds_the_browser_that_opens_it(backend: Backend) {
    let broker = Broker::start(backend).await;
    let key = api_key(&broker).await;
    let answer = broker.get(&key, &format!("{AUTH}/op/url?user_email=ann@acme.example&confirm=false")).await;
    assert!(!answer.headers.contains_key("set-cookie"), "it goes to no browser");
    let link = begun(&answer).auth_url;
    assert!(
        link.as_str().starts_with(&format!("{}{AUTH}/op/begin?link=", broker.deployment.base())),
        "{link}"
    );

    let (own, other) = (Browser::new().unwrap(), Browser::new().unwrap());
    let opened = own.get(link.as_str()).await.unwrap();
    assert_eq!(opened.status, 303, "{}", opened.body);
    let to_provider = opened.location.unwrap();
    assert!(to_provider.as_str().starts_with(broker.provider.base()), "{to_provider}");
    assert!(!to_provider.as_str().contains(&super::parameter(&link, "link")), "the link stays here");
    let address = broker.provider.consent_in(&own, to_provider.as_str(), "ann", &[]).await.unwrap();

    // Whoever else has the link has opened it in a browser of their own.
    let opened = other.get(link.as_str()).await.unwrap();
    let of_other =
        broker.provider.consent_in(&other, opened.location.unwrap().as_str(), "ben", &[]).await.unwrap();
    for wrong in [&address, &with_parameter(&of_other, "state", Some(&super::parameter(&address, "state")))] {
        let refused = other.get(wrong.as_str()).await.unwrap();
        assert_eq!(refused.status, 400, "{}", refused.body);
    }
    assert!(broker.connections().await.is_empty());
    let connected = own.get(address.as_str()).await.unwrap();
    assert_eq!(connected.status, 200, "{}", connected.body);
    let late = other.get(of_other.as_str()).await.unwrap();
    assert_eq!(late.status, 409, "a link is good for one connection: {}", late.body);
    let listed = broker.connections().await;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["user_email"], &listed[0]["account"]["id"]),
        (&json!("ann@acme.example"), &json!("ann"))
    );

    // Unless the backend's own page has told whose connection it becomes, the link asks.
    let asking =
        begun(&broker.get(&key, &format!("{AUTH}/op/url?user_email=ann@acme.example")).await).auth_url;
    let page = own.get(asking.as_str()).await.unwrap();
    assert_eq!((page.status, &page.location), (200, &None), "{}", page.body);
    let went_on = own.submit(&page.form("Continue to The Provider").unwrap()).await.unwrap();
    assert!(went_on.location.unwrap().as_str().starts_with(broker.provider.base()));

    // With no address named, the connection is that of whoever consents.
    let link = begun(&broker.get(&key, &format!("{AUTH}/op/url?confirm=false")).await).auth_url;
    let opened = own.get(link.as_str()).await.unwrap();
    let address =
        broker.provider.consent_in(&own, opened.location.unwrap().as_str(), "ann", &[]).await.unwrap();
    let connected = own.get(address.as_str()).await.unwrap();
    let connected: serde_json::Value = serde_json::from_str(&connected.body).unwrap();
    assert_eq!(connected["user_email"], "ann@example.com", "{connected:#}");

    let text = super::parameter(&link, "link");
    let state = super::parameter(&address, "state");
    let at_other: Url = link.as_str().replace("/op/", "/other/").parse().unwrap();
    for wrong in [
        with_parameter(&link, "link", None),
        with_parameter(&link, "link", Some(&text[1..])),
        with_parameter(&link, "link", Some(&state)),
        with_parameter(&address, "state", Some(&text)),
        at_other,
    ] {
        let refused = own.get(wrong.as_str()).await.unwrap();
        assert_eq!(refused.status, 400, "{wrong}: {}", refused.body);
    }
}

async fn a_page_of_another_site_gets_a_link_that_asks_first(backend: Backend) {
    let broker = Broker::start(backend).await;
    // A backend's link does so too, unless it says that its own page has asked.
    let key = api_key(&broker).await;
    let link = begun(&broker.get(&key, &format!("{AUTH}/op/url?user_email=ben@acme.example")).await).auth_url;
    let page = Browser::new().unwrap().get(link.as_str()).await.unwrap();
    assert_eq!((page.status, page.body.contains("ben@acme.example")), (200, true), "{}", page.body);
    broker.get(&key, &format!("{AUTH}/op/url?confirm=perhaps")).await.problem("invalid_request");
    let ann = user("ann@acme.example");
    let request = || broker.request(&ann, Method::GET, &format!("{AUTH}/op/url"));
    let answer = Answer::of(request().header("sec-fetch-site", "cross-site")).await;
    assert!(!answer.headers.contains_key("set-cookie"));
    let link = begun(&answer).auth_url;
    assert!(link.as_str().starts_with(broker.deployment.base()), "{link}");

    let browser = Browser::new().unwrap();
    let page = browser.get(link.as_str()).await.unwrap();
    assert_eq!((page.status, &page.location), (200, &None), "{}", page.body);
    assert!(
        page.body.contains("Connect The Provider?") && page.body.contains("ann@acme.example"),
        "{}",
        page.body
    );
    assert_eq!(page.headers["cache-control"], "no-store");
    assert_eq!(page.headers["referrer-policy"], "no-referrer");
    let cookie = page.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap();
    let path = format!("{}?{}", link.path(), link.query().unwrap());
    // Who made the link has their page send it. The last is what old browsers tell of such a page: the cookie, which
    // would not come along from there, makes the difference.
    for (name, value, cookie) in [
        ("origin", "https://evil.example", cookie),
        ("sec-fetch-site", "cross-site", cookie),
        ("sec-fetch-site", "same-site", cookie),
        ("origin", "null", ""),
    ] {
        let forged = broker.deployment.server.request(Method::POST, &path).header(name, value);
        Answer::of(forged.header("cookie", cookie)).await.problem("origin_not_allowed");
    }
    let begun_page = browser.submit(&page.form("Continue to The Provider").unwrap()).await.unwrap();
    assert_eq!(begun_page.status, 303, "{}", begun_page.body);
    let to_provider = begun_page.location.unwrap();
    let address = broker.provider.consent_in(&browser, to_provider.as_str(), "ann", &[]).await.unwrap();
    assert_eq!(Browser::new().unwrap().get(address.as_str()).await.unwrap().status, 400);
    let connected = browser.get(address.as_str()).await.unwrap();
    assert_eq!(connected.status, 200, "{}", connected.body);

    // Pages of the same site are given the cookie itself.
    for site in ["same-origin", "same-site", "none"] {
        let answer = Answer::of(request().header("sec-fetch-site", site)).await;
        let begun = begun(&answer);
        assert!(begun.auth_url.as_str().starts_with(broker.provider.base()), "{site}");
        assert!(begun.cookie.starts_with("jackfield-browser="), "{site}");
    }
    // A cookie that the browser has already goes on being its own, so that two tabs do not hinder each other.
    let first = broker.begin(&ann, "").await;
    let again = Answer::of(request().header("cookie", &first.cookie)).await;
    assert_eq!(begun(&again).cookie, first.cookie);
    let made_up = Answer::of(request().header("cookie", "jackfield-browser=mine")).await;
    assert!(!begun(&made_up).cookie.ends_with("=mine"));
    let admin = credential("acme", Role::Admin, Some("adam@acme.example"));
    broker.get(&admin, &format!("{AUTH}/op/url?user_email=ben@acme.example")).await.expect(200);
}
