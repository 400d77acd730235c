//! CloudEvents in the three modes of HTTP, going in and coming out of the log.

use http::{HeaderMap, HeaderName, HeaderValue};
use model::{Published, Sender, Violation};
use proptest::prelude::*;
use serde_json::{Value, json};
use storage::LoggedEvent;

use super::*;

fn published(event: CloudEvent) -> Published {
    event.published("acme".parse().unwrap(), Sender::ApiKey("k1".into()))
}

fn read(event: &Value) -> Result<Published, Vec<String>> {
    structured(event.to_string().as_bytes()).map(published).map_err(|error| pointers(&error))
}

fn pointers(error: &Error) -> Vec<String> {
    let Error::Invalid(violations) = error else { panic!("{error}") };
    violations.iter().map(|Violation { pointer, .. }| pointer.clone()).collect()
}

/// What the log makes of an event.
fn logged(event: Published) -> LoggedEvent {
    let is_plain = event.attributes == json!({});
    LoggedEvent {
        seq: 1,
        id: event.id,
        tenant: Some(event.tenant.to_string()),
        source: event.source,
        kind: event.kind.as_str().into(),
        key: event.key.or_else(|| event.subject.clone()).unwrap_or_default(),
        subject: event.subject.unwrap_or_default(),
        sender: Some(event.sender.to_string()),
        hops: event.hops.into(),
        attributes: (!is_plain).then(|| event.attributes.to_string()),
        data: event.data.to_string(),
        recorded_at: 1_700_000_000_007,
    }
}

fn minimal() -> Value {
    json!({"specversion": "1.0", "id": "1", "source": "/orders", "type": "order.paid"})
}

fn with(fields: &Value) -> Value {
    let mut event = minimal();
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

#[test]
fn an_event_comes_out_as_it_went_in() {
    let event = with(&json!({
        "subject": "order-7", "time": "2026-11-21T09:30:00.123456Z", "datacontenttype": "application/vnd.x+json",
        "dataschema": "https://shop.example/paid.json", "partitionkey": "customer-1", "traceparent": "00-a-b-01", "flag": true,
        "count": -7, "data": {"a": [1, "\u{0}", null]},
    }));
    let out = AsCloudEvent(&logged(read(&event).unwrap())).to_value();
    let added = json!({"tenant": "acme", "sender": "api_key:k1"});
    let mut expected = event;
    expected.as_object_mut().unwrap().extend(added.as_object().unwrap().clone());
    assert_eq!(out, expected);
}

#[test]
fn what_is_left_out_is_filled_in_as_the_format_has_it() {
    let out = AsCloudEvent(&logged(read(&minimal()).unwrap())).to_value();
    assert_eq!(
        out,
        json!({
            "specversion": "1.0", "id": "1", "source": "/orders", "type": "order.paid", "time": "2023-11-14T22:13:20.007Z",
            "tenant": "acme", "sender": "api_key:k1",
        })
    );
    let out = AsCloudEvent(&logged(read(&with(&json!({"data": "x", "subject": null}))).unwrap())).to_value();
    assert_eq!((&out["data"], &out["datacontenttype"]), (&json!("x"), &json!("application/json")));
}

#[test]
fn bytes_stay_bytes() {
    let event = with(&json!({"datacontenttype": "image/png", "data_base64": "iVBORw=="}));
    let out = AsCloudEvent(&logged(read(&event).unwrap())).to_value();
    assert_eq!((&out["data_base64"], out.get("data")), (&json!("iVBORw=="), None));
    assert_eq!(out["datacontenttype"], "image/png");
    for base64 in [json!("iVBORw"), json!("*"), json!(7)] {
        assert_eq!(read(&with(&json!({"data_base64": base64}))).unwrap_err(), ["/data_base64"]);
    }
    assert_eq!(read(&with(&json!({"data": 1, "data_base64": "AA=="}))).unwrap_err(), ["/data_base64"]);
}

#[test]
fn everything_that_is_wrong_is_named() {
    let wrong = json!({"specversion": "0.3", "id": "", "source": "a b", "type": "jackfield.x", "time": "now", "Bad": 1, "n": 1.5, "o": {}});
    let mut found = read(&wrong).unwrap_err();
    found.sort();
    assert_eq!(found, ["/Bad", "/id", "/n", "/o", "/source", "/specversion", "/time", "/type"]);
    assert_eq!(read(&json!({})).unwrap_err(), ["/specversion", "/id", "/source", "/type"]);
    for not_an_event in ["", "[]", "7", "{", "{\"id\": \"\\ud800\"}"] {
        assert!(structured(not_an_event.as_bytes()).is_err(), "{not_an_event}");
    }
}

#[test]
fn nobody_speaks_as_this_server() {
    for (name, value) in [
        ("source", "jackfield"),
        ("source", "jackfield/plugins/notes"),
        ("source", "Jackfield"),
        ("type", "jackfield.plugin.created"),
        ("type", "JackField.x"),
    ] {
        assert_eq!(read(&with(&json!({name: value}))).unwrap_err(), [format!("/{name}")], "{value}");
    }
    // What this server sets is not taken from others.
    let event = read(&with(&json!({"sender": "user:boss", "tenant": "other"}))).unwrap();
    let out = AsCloudEvent(&logged(event)).to_value();
    assert_eq!((&out["sender"], &out["tenant"]), (&json!("api_key:k1"), &json!("acme")));
}

#[test]
fn what_an_event_has_led_to_has_one_hop_more_and_circles_end() {
    let hops = |told: Value| read(&with(&json!({"hops": told}))).map(|event| event.hops);
    assert_eq!(read(&minimal()).unwrap().hops, 0);
    assert_eq!(hops(json!(0)), Ok(1));
    assert_eq!(hops(json!("7")), Ok(8));
    for told in [json!(8), json!("9"), json!(u64::MAX), json!(-1), json!("x"), json!(1.5), json!(true)] {
        assert_eq!(hops(told.clone()), Err(vec!["/hops".into()]), "{told}");
    }
}

#[test]
fn an_event_has_64_kib_and_no_more() {
    let event = |length: usize| with(&json!({"data": "a".repeat(length)})).to_string();
    let overhead = event(0).len();
    assert!(structured(event(MAX_EVENT_BYTES - overhead).as_bytes()).is_ok());
    let larger = event(MAX_EVENT_BYTES - overhead + 1);
    assert!(matches!(structured(larger.as_bytes()), Err(Error::TooLarge(_))));
    let headers = headers(&[("ce-id", "1"), ("content-type", "text/plain")]);
    assert!(matches!(binary(&headers, &vec![b'a'; MAX_EVENT_BYTES + 1]), Err(Error::TooLarge(_))));
}

#[test]
fn a_batch_is_whole_or_refused_by_its_places() {
    let many = |count: usize| Value::Array(vec![minimal(); count]).to_string();
    assert_eq!(batch(many(100).as_bytes()).unwrap().len(), 100);
    assert_eq!(batch(b"[]").unwrap(), []);
    assert!(matches!(batch(many(101).as_bytes()), Err(Error::TooLarge(_))));
    let mixed = json!([minimal(), {"id": "2"}, with(&json!({"time": "x"}))]).to_string();
    let wrong = batch(mixed.as_bytes()).unwrap_err();
    assert_eq!(pointers(&wrong), ["/1/specversion", "/1/source", "/1/type", "/2/time"]);
    assert!(batch(b"{}").is_err());
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let required = [("ce-specversion", "1.0"), ("ce-source", "/orders"), ("ce-type", "order.paid")];
    let mut headers = HeaderMap::new();
    for (name, value) in required.iter().chain(pairs) {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

#[test]
fn in_binary_mode_attributes_are_headers_and_the_body_is_the_data() {
    let given = headers(&[
        ("ce-id", "1"),
        ("ce-comexample", "Euro%20%E2%82%AC%20%F0%9F%98%80"),
        ("content-type", "application/json"),
    ]);
    assert!(is_binary(&given));
    let out = AsCloudEvent(&logged(published(binary(&given, b"{\"a\":1}").unwrap()))).to_value();
    assert_eq!((&out["comexample"], &out["data"]), (&json!("Euro \u{20ac} \u{1f600}"), &json!({"a": 1})));

    let cases: [(&str, &[u8], &str, Value); 4] = [
        ("text/plain", "\u{e4}".as_bytes(), "data", json!("\u{e4}")),
        ("text/plain; charset=iso-8859-1", b"\xe4", "data_base64", json!("5A==")),
        ("application/octet-stream", b"\x00\x01", "data_base64", json!("AAE=")),
        ("image/png", b"", "data", Value::Null),
    ];
    for (media_type, body, member, expected) in cases {
        let headers = headers(&[("ce-id", "1"), ("content-type", media_type)]);
        let out = AsCloudEvent(&logged(published(binary(&headers, body).unwrap()))).to_value();
        assert_eq!(out[member], expected, "{media_type}");
        assert_eq!(out["datacontenttype"], media_type);
    }
}

#[test]
fn headers_are_unquoted_and_decoded_once() {
    for (header, expected) in [
        ("\"a b\"", "a b"),
        ("\"a\\\"b\\\\c\"", "a\"b\\c"),
        ("%2541", "%41"),
        ("a%", "a%"),
        ("%41%zz", "A%zz"),
        ("%ff", "\u{fffd}"),
    ] {
        let event = binary(&headers(&[("ce-id", "1"), ("ce-x", header)]), b"").map(published).unwrap();
        assert_eq!(event.attributes["x"], expected, "{header}");
    }
}

#[test]
fn what_is_wrong_in_binary_mode_is_named_as_well() {
    let wrong = |pairs: &[(&'static str, &str)], body: &[u8]| {
        binary(&headers(pairs), body).map(drop).map_err(|error| pointers(&error)).unwrap_err()
    };
    assert_eq!(wrong(&[("ce-id", "1"), ("content-type", "application/json")], b"{"), ["/data"]);
    assert_eq!(wrong(&[("ce-id", "1"), ("ce-id", "2")], b""), ["/id"]);
    assert_eq!(wrong(&[("ce-id", "1"), ("ce-datacontenttype", "text/plain")], b""), ["/datacontenttype"]);
    assert_eq!(wrong(&[("ce-id", "a%0Ab"), ("ce-b-c", "1")], b""), ["/id", "/b-c"]);
}

proptest! {
    #[test]
    fn whatever_is_taken_can_be_read_again_and_is_the_same(
        id in "[ -~\u{e4}\u{1f600}]{1,40}", subject in "[ -~\u{20ac}]{0,40}", text in ".{0,200}", number in any::<i32>(),
    ) {
        let subject = if subject.is_empty() { Value::Null } else { json!(subject) };
        let event = with(&json!({"id": id, "subject": subject, "n": number, "data": {"text": text}}));
        let first = AsCloudEvent(&logged(read(&event).unwrap())).to_json();
        let second = AsCloudEvent(&logged(published(structured(first.as_bytes()).unwrap()))).to_json();
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        prop_assert_eq!(value(&first), value(&second));
    }

    #[test]
    fn no_bytes_bring_it_down(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = structured(&bytes);
        let _ = batch(&bytes);
        let mut given = headers(&[]);
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            given.insert("ce-id", value);
        }
        let _ = binary(&given, &bytes);
    }
}
