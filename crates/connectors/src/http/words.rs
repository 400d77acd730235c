//! A vendor's words, as they may be shown.

use serde_json::Value;

/// The most characters of a vendor's own words that are passed on.
const MAX_WORDS: usize = 200;

/// The most characters of an id in an error.
const MAX_SHOWN_ID: usize = 64;

/// Where vendors put the sentence that says what is wrong.
const PLACES: [&str; 12] = [
    "/error/message",
    "/errorMessages/0",
    "/error_description",
    "/message",
    "/errors/0/detail",
    "/errors/0/message",
    "/errors/0/title",
    "/detail",
    "/errors/0",
    "/error",
    "/data/message",
    "/title",
];

/// The sentence in a refusal's body, and what it says of single fields.
pub(super) fn sentence(body: &Value) -> String {
    let said = PLACES.iter().find_map(|place| body.pointer(place)?.as_str().filter(|text| !text.is_empty()));
    // Jira tells by field what it does not take.
    let fields = body.get("errors").and_then(Value::as_object).into_iter().flatten();
    let fields = fields.filter_map(|(name, text)| Some(format!("{name}: {}", text.as_str()?)));
    said.map(str::to_owned).into_iter().chain(fields.take(5)).collect::<Vec<_>>().join("; ")
}

/// `message` as it may be shown: in one line, short, without the token.
pub(super) fn cleaned(message: &str, token: &str) -> String {
    let message = if token.is_empty() { message.to_owned() } else { message.replace(token, "…") };
    let plain: String = message.chars().map(|letter| if is_shown(letter) { letter } else { ' ' }).collect();
    shortened(&plain.split_whitespace().collect::<Vec<_>>().join(" "), MAX_WORDS)
}

/// An id as it may be shown.
pub(crate) fn shown_id(id: &str) -> String {
    let plain: String = id.chars().filter(|letter| is_shown(*letter)).collect();
    shortened(&plain, MAX_SHOWN_ID)
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Whether `letter` only stands for itself: no control, and none that turns the direction of writing.
fn is_shown(letter: char) -> bool {
    !letter.is_control()
        && !matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// `sentence`, and after it what the vendor said.
pub(super) fn with_words(sentence: &str, words: &str) -> String {
    if words.is_empty() { sentence.to_owned() } else { format!("{sentence}: {words}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_sentence_is_found_where_vendors_put_it() {
        for (body, expected) in [
            (json!({"error": {"code": 400, "message": "Invalid query"}}), "Invalid query"),
            (json!({"errorMessages": ["Issue does not exist"], "errors": {}}), "Issue does not exist"),
            (json!({"errorMessages": [], "errors": {"summary": "is required"}}), "summary: is required"),
            (json!({"type": "error", "error": {"message": "Repository not found"}}), "Repository not found"),
            (json!({"errors": [{"status": 404, "title": "Not Found"}]}), "Not Found"),
            (json!({"message": "Bad credentials"}), "Bad credentials"),
            (json!({"ok": false, "error": "channel_not_found"}), "channel_not_found"),
            (json!("oops"), ""),
            (json!(null), ""),
        ] {
            assert_eq!(sentence(&body), expected, "{body}");
        }
    }

    #[test]
    fn words_are_cleaned_and_shortened() {
        assert_eq!(cleaned(" a\n\tb\u{202e}c ya29.secret!", "ya29.secret"), "a b c …!");
        assert_eq!(cleaned(&"ä".repeat(300), "t").chars().count(), 201);
        assert_eq!(shown_id("a\u{200b}b\n"), "ab");
    }
}
