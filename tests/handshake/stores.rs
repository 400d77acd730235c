//! Two stores at once, from the first page to the ready one.

use std::time::Duration;

use testkit::{Backend, Browser};

use super::{ISSUER, Plugin, REDIRECT_URI, assert_ready, button, claims, parameter, signed};
use crate::deployment::on_both_backends;

on_both_backends!(
    two_stores_are_connected_at_once,
    a_token_that_ends_is_renewed_and_a_dead_grant_asks_again,
    names_of_admins_are_text,
);

async fn two_stores_are_connected_at_once(backend: Backend) {
    let plugin = Plugin::start(backend);
    let (seven, eight) = (Browser::naming_sites().unwrap(), Browser::naming_sites().unwrap());
    let page_of_7 = plugin.open(&seven, 7).await;
    let page_of_8 = plugin.open(&eight, 8).await;
    for (page, own, other) in [(&page_of_7, "7", "8"), (&page_of_8, "8", "7")] {
        assert!(page.body.contains(&format!("store <strong>{own}</strong>")), "{}", page.body);
        assert!(page.body.contains(&format!("Admin of {own}")), "{}", page.body);
        assert!(!page.body.contains(&format!("Admin of {other}")), "{}", page.body);
        assert!(!page.headers.contains_key("set-cookie"), "a frame of another site cannot keep it");
        assert!(!page.headers.contains_key("x-frame-options"));
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["referrer-policy"], "no-referrer");
        assert_eq!(page.headers["x-content-type-options"], "nosniff");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'sha256-"), "{policy}");
        assert!(policy.contains(&format!("; frame-ancestors {ISSUER};")), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert!(button(page).is_post);
        assert!(page.body.contains("target=\"_top\""), "{}", page.body);
    }

    let question = plugin.go_on(&seven, &page_of_7).await;
    assert!(question.as_str().starts_with(&format!("{}/auth?", plugin.provider.base())), "{question}");
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "numinix"),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "customers_write"),
        ("access_type", "offline"),
        ("plugin_code", "Numinix"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(parameter(&question, name), value);
    }
    let back = plugin.consent(&eight, &page_of_8, "ben").await;
    let done = eight.get(back.as_str()).await.unwrap();
    assert_eq!(
        (done.status, done.location.unwrap().as_str()),
        (303, "https://admin.lexmodo.example/plugins/Numinix")
    );
    assert_ready(&plugin.open(&eight, 8).await, 8);
    button(&plugin.open(&eight, 7).await);
    assert!(plugin.connections("lexmodo:7").await.is_empty());

    let answer = plugin.provider.consent_in(&seven, question.as_str(), "ann", &[]).await.unwrap();
    let back = plugin.passed_on(&answer);
    // The platform may send its answer to the root, too.
    let root = seven.get(&format!("{}/?{}", plugin.deployment.base(), back.query().unwrap())).await.unwrap();
    assert_eq!((root.status, root.location.unwrap()), (307, back.clone()));
    assert_eq!(seven.get(back.as_str()).await.unwrap().status, 303);
    assert_ready(&plugin.open(&seven, 7).await, 7);
    // Whichever of the store's browsers.
    assert_ready(&plugin.open(&Browser::new().unwrap(), 7).await, 7);
    for tenant in ["lexmodo:7", "lexmodo:8"] {
        let connections = plugin.connections(tenant).await;
        assert_eq!(connections.len(), 1, "{connections:?}");
        assert_eq!(connections[0]["provider"], "lexmodo");
    }
    let log = plugin.deployment.log();
    assert!(log.contains("/callback") && !log.contains("session_token=") && !log.contains("eyJ"), "{log}");
    assert!(!log.contains(&parameter(&back, "code")), "{log}");
}

async fn a_token_that_ends_is_renewed_and_a_dead_grant_asks_again(backend: Backend) {
    let plugin = Plugin::start(backend);
    let browser = Browser::naming_sites().unwrap();
    plugin.provider.set_access_token_lifetime(Duration::from_secs(2)).await.unwrap();
    plugin.connect(&browser, 7, "ann").await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_ready(&plugin.open(&browser, 7).await, 7);
    let (asked, renewed) = plugin.provider.redemptions("refresh_token").await.unwrap();
    assert!(asked >= 1 && asked == renewed, "{asked} {renewed}");

    plugin.provider.forget_grants().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let page = plugin.open(&browser, 7).await;
    assert!(page.body.contains("has ended. It must be made again"), "{}", page.body);
    let back = plugin.consent(&browser, &page, "ann").await;
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, 303);
    assert_ready(&plugin.open(&browser, 7).await, 7);
    assert_eq!(plugin.connections("lexmodo:7").await.len(), 1, "the same connection as before");
}

async fn names_of_admins_are_text(backend: Backend) {
    let plugin = Plugin::start(backend);
    let browser = Browser::naming_sites().unwrap();
    let hostile = "<img src=x onerror=alert(1)>\" onfocus=\"alert(2)";
    let mut claims = claims(7);
    claims["extra"]["admin_name"] = hostile.into();
    let token = signed(&claims);
    let asks = plugin.open_with(&browser, &token).await;
    let back = plugin.consent(&browser, &asks, "ann").await;
    assert_eq!(browser.get(back.as_str()).await.unwrap().status, 303);
    let ready = plugin.open_with(&browser, &token).await;
    assert_ready(&ready, 7);
    for page in [asks, ready] {
        assert!(page.body.contains("&#60;img src=x onerror=alert(1)&#62;"), "{}", page.body);
        assert!(!page.body.contains("<img") && !page.body.contains("\" onfocus"), "{}", page.body);
    }
    // What is beyond the plugin's page in the query is passed on as it is.
    let odd = format!("/?x=%20+%2F&session_token={token}&lang=de%0D%0A");
    let answer = plugin.look(&odd).await;
    let callback = answer.headers["location"].to_str().unwrap();
    assert_eq!((answer.status, callback), (307, format!("/callback{}", &odd[1..]).as_str()));
    assert_eq!(plugin.look(callback).await.status, 200);
}
