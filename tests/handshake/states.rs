//! States of another store, of another browser, used before; answers that are no consent.

use reqwest::Url;
use testkit::{Backend, Browser};

use super::{PLUGIN_PAGE, Plugin, assert_ready, button, parameter, path, session_token};
use crate::deployment::on_both_backends;

on_both_backends!(
    a_state_is_good_for_its_store_and_browser_once,
    who_says_no_is_told_so_and_may_say_yes_later,
);

/// `url` with another value of a parameter.
fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let mut changed = url.clone();
    let pairs = url.query_pairs().filter(|(key, _)| key != name);
    changed.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
    changed
}

async fn a_state_is_good_for_its_store_and_browser_once(backend: Backend) {
    let plugin = Plugin::start(backend);
    // One person who looks after both stores, and somebody else.
    let (own, other) = (Browser::naming_sites().unwrap(), Browser::naming_sites().unwrap());
    let pages = (plugin.open(&own, 7).await, plugin.open(&own, 8).await);
    let of_7 = plugin.consent(&own, &pages.0, "ann").await;
    let of_8 = plugin.consent(&own, &pages.1, "ann").await;

    let refused = other.get(of_7.as_str()).await.unwrap();
    assert_eq!(refused.status, 400, "another browser: {}", refused.body);
    let with_session = |address: &Url, store| with_parameter(address, "session_token", &session_token(store));
    let refused = own.get(with_session(&of_7, 8).as_str()).await.unwrap();
    assert_eq!(refused.status, 400, "the platform says another store: {}", refused.body);
    let refused = own.get(with_parameter(&of_7, "session_token", "none").as_str()).await.unwrap();
    assert_eq!(refused.status, 401, "{}", refused.body);
    let state = parameter(&of_7, "state");
    for wrong in ["", "none", &state[1..]] {
        let refused = own.get(with_parameter(&of_7, "state", wrong).as_str()).await.unwrap();
        assert_eq!(refused.status, 400, "{wrong:?}: {}", refused.body);
    }
    let link = button(&pages.0).action;
    let refused = own.get(with_parameter(&of_7, "state", &parameter(&link, "link")).as_str()).await.unwrap();
    assert_eq!(refused.status, 400, "a link is no state: {}", refused.body);
    for tenant in ["lexmodo:7", "lexmodo:8"] {
        assert!(plugin.connections(tenant).await.is_empty());
    }

    let done = own.get(with_session(&of_7, 7).as_str()).await.unwrap();
    assert_eq!((done.status, done.location.unwrap().as_str()), (303, PLUGIN_PAGE));
    let before = plugin.connections("lexmodo:7").await;
    let replayed = own.get(of_7.as_str()).await.unwrap();
    assert_eq!(replayed.status, 409, "{}", replayed.body);
    let page = plugin.look(&path(&of_7)).await;
    assert_eq!(page.status, 400, "without the cookie: {}", page.text);
    assert_eq!(plugin.connections("lexmodo:7").await, before, "nothing was changed");

    // The code of one store's consent under the state of another: the verifier (PKCE) is the other's.
    let again = plugin.open(&own, 8).await;
    let fresh = plugin.consent(&own, &again, "ann").await;
    let crossed = with_parameter(&fresh, "code", &parameter(&of_8, "code"));
    let refused = own.get(crossed.as_str()).await.unwrap();
    assert!((400..500).contains(&refused.status), "{}", refused.body);
    assert!(plugin.connections("lexmodo:8").await.is_empty());
    button(&plugin.open(&own, 8).await);
    assert_ready(&plugin.open(&own, 7).await, 7);
}

async fn who_says_no_is_told_so_and_may_say_yes_later(backend: Backend) {
    let plugin = Plugin::start(backend);
    let browser = Browser::naming_sites().unwrap();
    let question = plugin.go_on(&browser, &plugin.open(&browser, 7).await).await;
    let state = parameter(&question, "state");
    let cookie = |page: &testkit::Page| page.headers["set-cookie"].to_str().unwrap().to_owned();
    let base = plugin.deployment.base().to_owned();

    let no = browser.get(&format!("{base}/callback?error=access_denied&state={state}")).await.unwrap();
    assert_eq!(no.status, 403, "{}", no.body);
    assert!(no.body.contains("access_denied") && !no.headers.contains_key("location"), "{}", no.body);

    let sent = browser.submit(&button(&plugin.open(&browser, 7).await)).await.unwrap();
    let cookie = cookie(&sent);
    let state = parameter(&sent.location.unwrap(), "state");
    let request = plugin.deployment.server.get(&format!("/callback?error=access_denied&state={state}"));
    let request = request.header("accept", "text/html").header("cookie", cookie.split(';').next().unwrap());
    let page = crate::deployment::Answer::of(request).await;
    assert_eq!(page.status, 403, "{}", page.text);
    assert!(page.text.contains("Access was not granted at Lexmodo."), "{}", page.text);
    assert!(page.text.contains(&format!("href=\"{PLUGIN_PAGE}\"")), "{}", page.text);
    assert!(!page.text.contains("Try again</a>"), "the code cannot be redeemed again: {}", page.text);

    let question = plugin.go_on(&browser, &plugin.open(&browser, 7).await).await;
    let odd = format!("{base}/callback?error=%3Cb%3Eodd&state={}", parameter(&question, "state"));
    let odd = browser.get(&odd).await.unwrap();
    assert_eq!((odd.status, odd.body.contains("<b>")), (400, false), "{}", odd.body);
    assert!(plugin.connections("lexmodo:7").await.is_empty());

    plugin.connect(&browser, 7, "ann").await;
    assert_ready(&plugin.open(&browser, 7).await, 7);
}
