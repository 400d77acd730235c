//! Redirects lead nowhere that a URL may not.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method};
use outbound::Error;

use crate::house::{Names, Server, client, guard, redirect, url};

#[tokio::test]
async fn a_redirect_to_this_machine_is_not_followed() {
    let inside = Server::start("127.0.0.1", |_: &str| "inside").await;
    let port = inside.port();
    let targets = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://inside.example:{port}/"),
        format!("//0x7f.1:{port}/"),
    ];
    let told = targets.clone();
    let door = Server::start("127.0.0.1", move |path: &str| {
        redirect(302, &told[path.trim_start_matches('/').parse::<usize>().unwrap()])
    })
    .await;
    let names = Names::of(&[("door.example", &[&["127.0.0.1"]]), ("inside.example", &[&["127.0.0.1"]])]);
    let client = client(&guard("door.example", &names));
    for (index, target) in targets.iter().enumerate() {
        let address = url(&format!("http://door.example:{}/{index}", door.port()));
        let request = client.request(Method::GET, address).unwrap();
        let error = client.send_following(request, 3).await.unwrap_err();
        assert!(matches!(error, Error::NotPublic(_)), "{target}: {error:?}");
    }
    assert_eq!((door.hits().len(), inside.hits().len()), (targets.len(), 0));
}

#[tokio::test]
async fn other_schemes_and_users_are_not_followed() {
    let door = Server::start("127.0.0.1", |path: &str| match path {
        "/file" => redirect(302, "file:///etc/passwd"),
        "/user" => redirect(302, "http://user:secret@127.0.0.1/"),
        "/none" => http::StatusCode::FOUND.into_response(),
        "/nonsense" => redirect(302, "http://[x/"),
        _ => redirect(307, "/again"),
    })
    .await;
    let client = client(&guard("127.0.0.1", &Names::of(&[])));
    let host = || "127.0.0.1".to_owned();
    for (path, expected) in [
        ("file", Error::Scheme),
        ("user", Error::UserInfo),
        ("none", Error::BadRedirect(host())),
        ("nonsense", Error::BadRedirect(host())),
        ("again", Error::TooManyRedirects { host: host(), max: 3 }),
    ] {
        let request = client.request(Method::GET, url(&format!("http://{}/{path}", door.address))).unwrap();
        assert_eq!(client.send_following(request, 3).await.unwrap_err(), expected);
    }
    assert_eq!(door.hits().len(), 8, "four times once, and once with three redirects");
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = Server::start("127.0.0.1", |_: &str| "other").await;
    let to = format!("http://127.0.0.1:{}/there", other.port());
    let door = Server::start("127.0.0.1", move |path: &str| -> Response {
        match path {
            "/away" => redirect(307, &to),
            "/post" => redirect(303, "/end"),
            "/home" => redirect(308, "/end"),
            _ => "end".into_response(),
        }
    })
    .await;
    let client = client(&guard("127.0.0.1", &Names::of(&[])));
    for path in ["away", "home", "post"] {
        let mut secret = HeaderValue::from_static("s3");
        secret.set_sensitive(true);
        let request = client.request(Method::POST, url(&format!("http://{}/{path}", door.address))).unwrap();
        let request = request.bearer_auth("token").header("x-shop-token", secret).header("x-plain", "1");
        let request = request.header("content-type", "text/plain").body("words");
        assert!(client.send_following(request, 1).await.unwrap().status().is_success(), "{path}");
    }
    let away = &other.hits()[0];
    assert_eq!((away.method.as_str(), away.body.as_str()), ("POST", "words"));
    assert_eq!(away.headers.get("x-plain").map(String::as_str), Some("1"));
    assert!(!away.headers.contains_key("authorization") && !away.headers.contains_key("x-shop-token"));
    assert_eq!(away.headers["host"], format!("127.0.0.1:{}", other.port()));
    let ends: Vec<_> = door.hits().into_iter().filter(|hit| hit.path == "/end").collect();
    assert_eq!((ends[0].method.as_str(), ends[0].body.as_str()), ("POST", "words"));
    assert!(ends[0].headers.contains_key("authorization") && ends[0].headers.contains_key("x-shop-token"));
    assert_eq!((ends[1].method.as_str(), ends[1].body.as_str()), ("GET", ""));
    assert!(!ends[1].headers.contains_key("content-type"));
}

#[tokio::test]
async fn the_caller_may_say_where_redirects_go() {
    let door = Server::start("127.0.0.1", |path: &str| match path {
        "/a" => redirect(302, "/b"),
        _ => redirect(302, "/c"),
    })
    .await;
    let client = client(&guard("127.0.0.1", &Names::of(&[])));
    let request = client.request(Method::GET, url(&format!("http://{}/a", door.address))).unwrap();
    let answer = client.send_following_to(request, 5, |next| next.path() != "/c").await;
    let (from, to) = ("127.0.0.1".to_owned(), "127.0.0.1".to_owned());
    assert_eq!(answer.unwrap_err(), Error::RedirectRefused { from, to });
    assert_eq!(door.hits().len(), 2);
}
