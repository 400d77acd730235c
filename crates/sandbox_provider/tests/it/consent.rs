//! What people see and decide, and what requests are refused.

use axum::http::Method;

use crate::harness::{BASE, CALLBACK, CLIENT, OTHER_CALLBACK, Sandbox, authorization};

#[tokio::test]
async fn people_see_who_asks_for_what_without_script() {
    let sandbox = Sandbox::new();
    let page = sandbox.get(&authorization(&[("state", "\"><script>alert(1)</script>")])).await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(
        (page.header("cache-control"), page.header("x-content-type-options")),
        ("no-store", "nosniff")
    );
    assert!(page.body.contains("go back to 127.0.0.1:4000."), "{}", page.body);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("script") && !policy.contains("unsafe"), "{policy}");
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert!(page.body.contains("<h1>Jackfield &#60;dev&#62; asks for access</h1>"), "{}", page.body);
    assert!(page.body.contains("lang=\"en\"") && page.body.contains("width=device-width"));
    let form = page.form();
    for text in ["Ann Archer", "Ben Baker", "Cleo Cooper", "Read your notes", "delete your notes"] {
        assert!(form.text.contains(text), "{text}");
    }
    let field = |name: &str| form.fields.iter().filter(|(known, _)| known == name).count();
    assert_eq!((field("person"), field("grant")), (1, 2));
    let style = sandbox.get("/style.css").await;
    assert_eq!((style.status, style.header("content-type")), (200, "text/css; charset=utf-8"));
}

#[tokio::test]
async fn consent_leads_back_with_code_state_and_issuer() {
    let sandbox = Sandbox::new();
    let page = sandbox.get(&authorization(&[("state", "a\"b'<c>&d")])).await;
    let allowed = sandbox.submit(&page.form().press("Allow").unwrap()).await;
    assert!(allowed.location().as_str().starts_with(&format!("{CALLBACK}?code=sbc_")));
    assert_eq!(allowed.told("state").unwrap(), "a\"b'<c>&d");
    assert_eq!(allowed.told("iss").unwrap(), BASE);
    assert_eq!(allowed.header("cache-control"), "no-store");

    let page = sandbox.get(&authorization(&[("redirect_uri", OTHER_CALLBACK), ("state", "")])).await;
    let denied = sandbox.submit(&page.form().press("Deny").unwrap()).await;
    assert_eq!(denied.told("tenant").unwrap(), "a");
    assert_eq!(denied.told("error").unwrap(), "access_denied");
    assert_eq!(denied.told("iss").unwrap(), BASE);
    assert_eq!((denied.told("state"), denied.told("code")), (None, None));
}

#[tokio::test]
async fn people_may_grant_less_but_not_nothing_and_not_more() {
    let sandbox = Sandbox::new();
    let page = sandbox.get(&authorization(&[])).await;
    let narrowed = page.form().untick("grant", "notes.write").set("person", "cleo").press("Allow").unwrap();
    let code = sandbox.submit(&narrowed).await.told("code").unwrap();
    assert_eq!(sandbox.redeem(&code).await.json()["scope"], "notes.read");

    let nothing =
        page.form().untick("grant", "notes.write").untick("grant", "notes.read").press("Allow").unwrap();
    let again = sandbox.submit(&nothing.set("person", "ben")).await;
    assert_eq!(again.status, 422);
    assert!(again.body.contains("role=\"alert\""));
    // What was chosen stands, and the request goes on.
    let form = again.form();
    assert!(form.fields.contains(&("person".to_owned(), "ben".to_owned())));
    let form = form.set("grant", "notes.read").press("Allow").unwrap();
    assert!(sandbox.submit(&form).await.told("code").is_some());
    for stranger in ["", "nobody"] {
        let form = page.form().set("person", stranger).press("Allow").unwrap();
        assert_eq!(sandbox.submit(&form).await.status, 422);
    }

    let page = sandbox.get(&authorization(&[("scope", "notes.read")])).await;
    let mut more = page.form().press("Allow").unwrap();
    more.fields.push(("grant".to_owned(), "notes.write".to_owned()));
    let code = sandbox.submit(&more).await.told("code").unwrap();
    assert_eq!(sandbox.redeem(&code).await.json()["scope"], "notes.read");
}

#[tokio::test]
async fn a_hint_chooses_the_person() {
    let sandbox = Sandbox::new();
    for (hint, person) in [("ben@sandbox.example", "ben"), ("cleo", "cleo"), ("nobody", "ann")] {
        let page = sandbox.get(&authorization(&[("login_hint", hint)])).await;
        assert!(page.form().fields.contains(&("person".to_owned(), person.to_owned())), "{hint}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_registered() {
    let sandbox = Sandbox::new();
    let wrong = [
        [("redirect_uri", "http://evil.example/")],
        [("redirect_uri", "http://127.0.0.1:4000/auth/sandbox/callback/")],
        [("redirect_uri", "http://127.0.0.1:4000/auth/sandbox/callback?a=b")],
        [("redirect_uri", "HTTP://127.0.0.1:4000/auth/sandbox/callback")],
        [("redirect_uri", "")],
        [("client_id", "another")],
        [("client_id", "")],
    ];
    for changes in wrong {
        let page = sandbox.get(&authorization(&changes)).await;
        assert_eq!((page.status, page.header("location")), (400, ""), "{changes:?}");
        assert!(page.body.contains("role=\"alert\"") && !page.body.contains("evil"), "{}", page.body);
    }
    let twice = authorization(&[]) + "&redirect_uri=http%3A%2F%2Fevil.example%2F";
    assert_eq!(sandbox.get(&twice).await.status, 400);
    // The same holds for the form: its hidden fields are no more to be trusted than the query.
    let page = sandbox.get(&authorization(&[])).await;
    let form = page.form().set("redirect_uri", "http://evil.example/").press("Allow").unwrap();
    let answer = sandbox.submit(&form).await;
    assert_eq!((answer.status, answer.header("location")), (400, ""));
}

#[tokio::test]
async fn requests_that_are_not_in_order_are_told_to_the_client() {
    let sandbox = Sandbox::new();
    let wrong = [
        ([("response_type", "token")], "unsupported_response_type"),
        ([("response_type", "")], "invalid_request"),
        ([("code_challenge", "")], "invalid_request"),
        ([("code_challenge", "too-short")], "invalid_request"),
        ([("code_challenge_method", "plain")], "invalid_request"),
        ([("code_challenge_method", "")], "invalid_request"),
        ([("scope", "notes.read admin")], "invalid_scope"),
        ([("scope", " ")], "invalid_scope"),
    ];
    for (changes, error) in wrong {
        let answer = sandbox.get(&authorization(&changes)).await;
        assert_eq!(answer.told("error").unwrap(), error, "{changes:?}");
        assert_eq!(answer.told("state").unwrap(), "a state & more");
        assert_eq!(answer.told("iss").unwrap(), BASE);
    }
    let twice = authorization(&[]) + "&state=another";
    assert_eq!(sandbox.get(&twice).await.told("error").unwrap(), "invalid_request");
    // No scope means the least.
    let page = sandbox.get(&authorization(&[("scope", "")])).await;
    let code = sandbox.submit(&page.form().press("Allow").unwrap()).await.told("code").unwrap();
    assert_eq!(sandbox.redeem(&code).await.json()["scope"], "notes.read");
}

#[tokio::test]
async fn forms_of_other_pages_are_refused() {
    let sandbox = Sandbox::new();
    let page = sandbox.get(&authorization(&[])).await;
    let form = page.form().press("Allow").unwrap();
    let fields: Vec<_> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own = [("host", "127.0.0.1:4000"), ("origin", "http://127.0.0.1:4000")];
    assert_eq!(sandbox.post_with("/authorize", &own, &fields).await.status, 303);
    let others: [&[(&str, &str)]; 5] = [
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site"), ("host", "127.0.0.1:4000"), ("origin", "http://127.0.0.1:4000")],
        &[("host", "127.0.0.1:4000"), ("origin", "http://evil.example")],
        &[("host", "127.0.0.1:4000"), ("origin", "null")],
        &[("origin", "http://127.0.0.1:5000")],
    ];
    for headers in others {
        let answer = sandbox.post_with("/authorize", headers, &fields).await;
        assert_eq!((answer.status, answer.header("location")), (403, ""), "{headers:?}");
    }
    let json = [("content-type", "application/json")];
    assert_eq!(sandbox.send(Method::POST, "/authorize", &json, "{}").await.status, 400);
}

#[tokio::test]
async fn everything_can_be_discovered() {
    let sandbox = Sandbox::new();
    let document = sandbox.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], BASE);
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["code_challenge_methods_supported"][0], "S256");
    for (name, path) in [
        ("authorization_endpoint", "/authorize"),
        ("token_endpoint", "/token"),
        ("revocation_endpoint", "/revoke"),
        ("userinfo_endpoint", "/userinfo"),
    ] {
        assert_eq!(document[name].as_str().unwrap(), format!("{BASE}{path}"));
        // It is there: 404 would say that it is not.
        assert_ne!(sandbox.get(path).await.status, 404, "{path}");
    }
    assert!(!document.to_string().contains(CLIENT));
}
