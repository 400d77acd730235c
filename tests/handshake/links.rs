//! The link that the page leads the whole window to: who may go on from where, and what is asked first.

use model::Role;
use reqwest::{Method, Url};
use testkit::{Backend, Browser};

use super::{Plugin, button, parameter, path};
use crate::deployment::{Answer, on_both_backends};

on_both_backends!(only_the_pages_own_form_goes_on_at_once, a_flow_may_end_where_a_product_wants_it);

async fn only_the_pages_own_form_goes_on_at_once(backend: Backend) {
    let plugin = Plugin::start(backend);
    let form = button(&plugin.open(&Browser::new().unwrap(), 7).await);
    let link = path(&form.action);
    let send = |method: Method, header: &'static str, value: &'static str| {
        Answer::of(plugin.deployment.server.request(method, &link).header(header, value))
    };
    // A link that leads there asks, wherever it stands: this server's own pages have links that others chose.
    for site in ["cross-site", "same-site", "same-origin", "none"] {
        let page = send(Method::GET, "sec-fetch-site", site).await;
        assert_eq!(page.status, 200, "{site}: {}", page.text);
        assert!(page.text.contains("Connect Lexmodo?") && page.text.contains("lexmodo:7"), "{}", page.text);
        assert_eq!(page.headers["x-frame-options"], "DENY");
    }
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("accept", "application/json"),
    ] {
        send(Method::POST, header, value).await.problem("origin_not_allowed");
    }
    // Who looks with a browser that says nothing of the kind is asked, and told why the answer may not count.
    let asked = send(Method::POST, "accept", "text/html,*/*;q=0.8").await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    assert!(
        asked.text.contains("Connect Lexmodo?") && asked.text.contains("Allow cookies"),
        "{}",
        asked.text
    );
    assert!(asked.headers["set-cookie"].to_str().unwrap().starts_with("jackfield-browser="));
    let foreign = plugin.deployment.server.request(Method::POST, &link);
    let foreign = foreign.header("accept", "text/html").header("sec-fetch-site", "cross-site");
    let refused = Answer::of(foreign).await;
    assert_eq!(
        (refused.status, refused.headers.contains_key("set-cookie")),
        (403, false),
        "{}",
        refused.text
    );
    let went_on = send(Method::POST, "sec-fetch-site", "same-origin").await;
    assert_eq!(went_on.status, 303, "{}", went_on.text);

    // Old browsers do not say where a form comes from: they get the page that asks, by the link below the button.
    let old = Browser::new().unwrap();
    let asks = old.get(form.action.as_str()).await.unwrap();
    let question = old.submit(&asks.form("Continue to Lexmodo").unwrap()).await.unwrap().location.unwrap();
    let answer = plugin.provider.consent_in(&old, question.as_str(), "ann", &[]).await.unwrap();
    assert_eq!(old.get(plugin.passed_on(&answer).as_str()).await.unwrap().status, 303);
    assert_eq!(plugin.connections("lexmodo:7").await.len(), 1);

    let text = parameter(&form.action, "link");
    let wrong = link.replace(&text, &text[1..]);
    assert_eq!(plugin.look(&wrong).await.status, 400);
    let other = link.replace("/lexmodo/", "/google/");
    assert!((400..500).contains(&plugin.look(&other).await.status));
}

async fn a_flow_may_end_where_a_product_wants_it(backend: Backend) {
    let plugin = Plugin::start(backend);
    let begin = "/api/v1/unified/auth/lexmodo/url?state=mine&return_to=https://app.example/settings";
    let answer = plugin.deployment.get_as(("lexmodo:7", Role::Admin), begin).await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let question: Url = answer.expect(200)["auth_url"].as_str().unwrap().parse().unwrap();
    let back = plugin.provider.consent(question.as_str(), "ann").await.unwrap();
    let request = plugin.deployment.server.get(&path(&plugin.passed_on(&back))).header("cookie", cookie);
    let done = Answer::of(request).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let end: Url = done.headers["location"].to_str().unwrap().parse().unwrap();
    assert!(end.as_str().starts_with("https://app.example/settings?"), "{end}");
    for (name, value) in [("status", "connected"), ("provider", "lexmodo"), ("state", "mine")] {
        assert_eq!(parameter(&end, name), value);
    }
    let own = plugin.deployment.get_as(("lexmodo:7", Role::User), begin).await;
    assert_eq!(own.status, 403, "a user may not begin what is the store's: {}", own.text);
}
