//! Accounts, sites and probes, from answers as providers give them.

use serde_json::json;

use super::*;

fn sources(userinfo: Value) -> SecretJson {
    SecretJson::from(userinfo)
}

fn email(userinfo: Value) -> Option<String> {
    let (userinfo, token) = (sources(userinfo), SecretJson::empty());
    Sources { userinfo: Some(&userinfo), token: &token }.email("/who/email")
}

#[test]
fn an_address_is_plausible_and_not_called_unverified() {
    let ada = || Some("ada@example.com".to_owned());
    assert_eq!(email(json!({"who": {"email": " ada@example.com "}})), ada());
    assert_eq!(email(json!({"who": {"email": "ada@example.com", "email_verified": true}})), ada());
    assert_eq!(email(json!({"who": {"email": "ada@example.com", "email_verified": "true"}})), ada());
    assert_eq!(email(json!({"who": {"email": "ada@example.com", "email_verified": false}})), None);
    assert_eq!(email(json!({"who": {"email": "ada@example.com", "email_verified": "False"}})), None);
    for wrong in [
        json!(null),
        json!(7),
        json!("ada"),
        json!(""),
        json!("a@b\r\nBcc: c@d"),
        json!("a b@c"),
        json!(["a@b"]),
        json!(format!("{}@example.com", "a".repeat(300))),
    ] {
        assert_eq!(email(json!({"who": {"email": wrong}})), None, "{wrong}");
    }
}

#[test]
fn an_id_is_whole_or_an_error() {
    let userinfo =
        sources(json!({"sub": 7, "long": "x".repeat(257), "odd": "a\nb", "none": null, "list": [1]}));
    let token = sources(json!({"team": {"id": "T1"}}));
    let id = |pointers: &[&str]| {
        let pointers: Vec<String> = pointers.iter().map(|&pointer| pointer.to_owned()).collect();
        Sources { userinfo: Some(&userinfo), token: &token }.id(&pointers)
    };
    assert_eq!(id(&[]).unwrap(), "");
    assert_eq!(id(&["/sub"]).unwrap(), "7");
    assert_eq!(id(&["token:/team/id", "/sub"]).unwrap(), "T1:7");
    for pointer in ["/long", "/odd", "/none", "/list", "/absent", "token:/absent", "sub", "token:team"] {
        assert!(id(&[pointer]).is_err(), "{pointer}");
        assert!(id(&["/sub", pointer]).is_err(), "half an id is none: {pointer}");
    }
    let without = Sources { userinfo: None, token: &token };
    assert_eq!(without.id(&["token:/team/id".to_owned()]).unwrap(), "T1");
    assert_eq!(without.id(&["token:/team/id".to_owned(), "/sub".to_owned()]).unwrap(), "");
}

#[test]
fn a_name_is_one_line_of_bounded_length() {
    assert_eq!(name_text(&json!(" Ada\r\nL. ")).unwrap(), "AdaL.");
    assert_eq!(name_text(&json!("é".repeat(1000))).unwrap().chars().count(), 256);
    for nothing in [json!(""), json!(" \n"), json!(7), json!(null)] {
        assert_eq!(name_text(&nothing), None);
    }
}

#[test]
fn only_addresses_of_the_web_are_linked_to() {
    assert_eq!(web_address(&json!("https://a.example/x")).unwrap(), "https://a.example/x");
    for wrong in
        ["javascript:alert(1)", "data:text/html,x", "//a.example", "a.example", "", "file:///etc/passwd"]
    {
        assert_eq!(web_address(&json!(wrong)), None, "{wrong}");
    }
}
