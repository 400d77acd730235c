//! Calls of Slack's methods. All take a form by POST, and each has a limit of its own
//! (<https://docs.slack.dev/apis/web-api/rate-limits>).

use serde_json::Value;

use crate::connector::Listing;
use crate::http::{Api, Request};

/// The fields of a call.
pub(super) type Form = Vec<(&'static str, String)>;

/// A call that only reads.
pub(super) fn read<'a>(api: &Api<'a>, method: &'static str, form: &Form) -> Request<'a> {
    write(api, method, form).repeatable()
}

/// A call that is not to be made twice.
pub(super) fn write<'a>(api: &Api<'a>, method: &'static str, form: &Form) -> Request<'a> {
    api.post([method]).form(form).budget(method)
}

/// The fields of a page.
pub(super) fn page(listing: &Listing) -> Form {
    let mut form = vec![("limit", listing.max_results.to_string())];
    form.extend(listing.cursor.clone().map(|cursor| ("cursor", cursor)));
    form
}

/// Where the next page begins. Pages may be short or empty; only this tells of the end.
pub(super) fn next(answer: &Value) -> Option<String> {
    text(answer, "/response_metadata/next_cursor")
}

/// A text that is there and not empty.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether it is said to be so.
pub(super) fn is(value: &Value, pointer: &str) -> bool {
    value.pointer(pointer).and_then(Value::as_bool).unwrap_or_default()
}

/// What stands in a list, moved out of the answer; nothing where there is none.
pub(super) fn list(answer: &mut Value, pointer: &str) -> Vec<Value> {
    match answer.pointer_mut(pointer).map(Value::take) {
        Some(Value::Array(values)) => values,
        _ => Vec::new(),
    }
}
