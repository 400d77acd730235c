//! Revoking (RFC 7009).

use axum::http::Method;

use crate::harness::{CLIENT, Sandbox};

const BOTH: &str = "notes.read notes.write";

#[tokio::test]
async fn a_refresh_token_takes_everything_with_it() {
    let sandbox = Sandbox::new();
    let (access, refresh) = sandbox.connect("ann", BOTH).await;
    let (other, _) = sandbox.connect("ann", BOTH).await;
    let form = [("token", refresh.as_str()), ("token_type_hint", "access_token")];
    let answer = sandbox.client("/revoke", &form).await;
    assert_eq!((answer.status, answer.body.as_str(), answer.header("cache-control")), (200, "", "no-store"));
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &access, None).await.status, 401);
    assert_eq!(sandbox.refresh(&refresh).await.status, 400);
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &other, None).await.status, 200);
}

#[tokio::test]
async fn an_access_token_goes_alone() {
    let sandbox = Sandbox::new();
    let (access, refresh) = sandbox.connect("ann", BOTH).await;
    assert_eq!(sandbox.client("/revoke", &[("token", &access)]).await.status, 200);
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &access, None).await.status, 401);
    assert_eq!(sandbox.refresh(&refresh).await.status, 200);
}

#[tokio::test]
async fn unknown_tokens_are_no_error_but_strangers_are() {
    let sandbox = Sandbox::new();
    let (access, refresh) = sandbox.connect("ann", BOTH).await;
    for token in ["junk", "sba_00000000000000000000000000_secret", "sbr_00000000000000000000000000_secret"] {
        assert_eq!(sandbox.client("/revoke", &[("token", token)]).await.status, 200, "{token}");
    }
    let wrong = [("client_id", CLIENT), ("client_secret", "wrong"), ("token", refresh.as_str())];
    assert_eq!(sandbox.post_with("/revoke", &[], &wrong).await.status, 401);
    assert_eq!(sandbox.client("/revoke", &[]).await.status, 400);
    assert_eq!(sandbox.call(Method::GET, "/userinfo", &access, None).await.status, 200);
}
