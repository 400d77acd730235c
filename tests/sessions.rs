//! Sessions as next-auth v4 and @auth/core v5 make them, from the browser's cookies to a tenant's plugins.

use serde_json::json;
use testkit::{SECRET, token_samples};

use crate::{problem, server};

#[tokio::test]
async fn sessions_of_the_host_product_are_accepted_and_altered_ones_are_not() {
    let server = server().start().unwrap();
    let samples =
        token_samples(&json!({"jwtSecret": SECRET, "nextauthSecret": SECRET, "authSecret": SECRET})).unwrap();
    let sessions = samples["sessions"].as_array().unwrap();
    assert!(sessions.len() >= 8, "both libraries, plain and in chunks");
    for session in sessions {
        let (library, cookie) = (&session["library"], session["cookie"].as_str().unwrap());
        let installed = || server.get("/plugins/installed");
        let by_cookie = installed().header("cookie", cookie).send().await.unwrap();
        assert_eq!(by_cookie.status(), 200, "{library} as a cookie");
        let token = session["token"].as_str().unwrap();
        let by_bearer = installed().bearer_auth(token).send().await.unwrap();
        assert_eq!(by_bearer.status(), 200, "{library} as a bearer token");

        // The last part is the tag of the encryption; its first character has no bits to spare.
        let tag = token.rfind('.').unwrap() + 1;
        let other = if token[tag..].starts_with('A') { "B" } else { "A" };
        let altered = format!("{}{other}{}", &token[..tag], &token[tag + 1..]);
        let refused = problem(installed().bearer_auth(&altered).send().await.unwrap()).await;
        assert_eq!(refused["code"], "invalid_credential", "{library}, altered");
        assert!(!refused.to_string().contains(&altered));

        let elsewhere =
            installed().header("cookie", cookie).header("x-tenant-id", "other").send().await.unwrap();
        assert_eq!(problem(elsewhere).await["code"], "tenant_mismatch", "{library}");
    }
    for (why, token) in samples["refused"].as_object().unwrap() {
        let refused =
            server.get("/plugins/installed").bearer_auth(token.as_str().unwrap()).send().await.unwrap();
        assert_eq!(problem(refused).await["code"], "invalid_credential", "{why}");
    }
}
