//! What Markdown and Jira's rich text look like in each other.

use serde_json::{Value, json};

use super::{MAX_DEPTH, from_markdown, to_markdown};

fn document(content: &Value) -> Value {
    json!({"version": 1, "type": "doc", "content": content})
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn marked(words: &str, marks: &[&str]) -> Value {
    let marks: Vec<Value> = marks.iter().map(|mark| json!({"type": mark})).collect();
    json!({"type": "text", "text": words, "marks": marks})
}

fn paragraph(content: &[Value]) -> Value {
    json!({"type": "paragraph", "content": content})
}

fn item(content: &[Value]) -> Value {
    json!({"type": "listItem", "content": content})
}

fn of(content: &Value) -> String {
    to_markdown(&document(content))
}

/// Markdown that comes back as it was.
const SAME: &[&str] = &[
    "",
    "Hello, *world*, **strong**, ~~gone~~ and `code`.",
    "# One\n\n###### Six",
    "- one\n- two\n  - inner\n    - innermost\n- three",
    "3. three\n4. four\n\n   more of it",
    "- [ ] to do\n- [x] done\n  - [ ] part of it\n- [ ] last",
    "```rust\nfn main() {\n\n    println!(\"`\");\n}\n```",
    "> quoted\n>\n> - a list",
    "> [!WARNING]\n> Mind the gap",
    "___",
    "| Name | Value |\n| --- | --- |\n| a\\|b | `c` |\n|  | two<br>lines |",
    "first\\\nsecond",
    "Look\\![Jackfield](https://example.com/a?b=c&d=e)",
    "[**a *b***](https://example.com) c",
    "- one\n\n1. first\n\n- again",
];

#[test]
fn markdown_comes_back_as_it_was() {
    for markdown in SAME {
        assert_eq!(to_markdown(&from_markdown(markdown)), *markdown);
    }
}

#[test]
fn markdown_becomes_nodes_that_jira_takes() {
    let made = from_markdown(
        "Hi **you** `x`\n\n- [x] a\n- [ ] b\n\n~~~\ncode\n~~~\n\n![logo](https://x.example/l.png)",
    );
    assert_eq!(
        made,
        document(&json!([
            paragraph(&[text("Hi "), marked("you", &["strong"]), text(" "), marked("x", &["code"])]),
            {"type": "taskList", "attrs": {"localId": "1"}, "content": [
                {"type": "taskItem", "attrs": {"localId": "2", "state": "DONE"}, "content": [text("a")]},
                {"type": "taskItem", "attrs": {"localId": "3", "state": "TODO"}, "content": [text("b")]},
            ]},
            {"type": "codeBlock", "content": [text("code")]},
            paragraph(&[json!({"type": "text", "text": "logo",
                "marks": [{"type": "link", "attrs": {"href": "https://x.example/l.png"}}]})]),
        ]))
    );
}

#[test]
fn what_has_no_place_becomes_what_has_one() {
    let made = from_markdown(
        "> # Title\n>\n> > inner\n\n- > quote\n\n  ___\n\n  | a | b |\n  | - | - |\n  | c | d |\n- [x] task",
    );
    let list = item(&[
        paragraph(&[text("quote")]),
        paragraph(&[text("a"), text(" | "), text("b")]),
        paragraph(&[text("c"), text(" | "), text("d")]),
    ]);
    assert_eq!(
        made,
        document(&json!([
            {"type": "blockquote", "content": [paragraph(&[marked("Title", &["strong"])]), paragraph(&[text("inner")])]},
            {"type": "bulletList", "content": [list, item(&[paragraph(&[text("[x] "), text("task")])])]},
        ]))
    );
}

#[test]
fn links_that_jira_does_not_take_are_written_out() {
    let made = from_markdown("[a](docs/a.md) [b](javascript:alert) <b>c</b>");
    assert_eq!(made, document(&json!([paragraph(&[text("a (docs/a.md) b (javascript:alert) <b>c</b>")])])));
}

#[test]
fn nodes_of_jiras_own_are_told_in_words() {
    let line = [
        json!({"type": "mention", "attrs": {"id": "5b10", "text": "@Ann"}}),
        text(" "),
        json!({"type": "mention", "attrs": {"id": "5b11"}}),
        text(" "),
        json!({"type": "emoji", "attrs": {"shortName": ":smile:", "text": "😄"}}),
        text(" "),
        json!({"type": "status", "attrs": {"text": "In *progress*", "color": "blue"}}),
        text(" "),
        json!({"type": "date", "attrs": {"timestamp": "1795219200000"}}),
        text(" "),
        json!({"type": "inlineCard", "attrs": {"url": "https://x.example/browse/A-1"}}),
        marked(" and ", &["underline"]),
        json!({"type": "mediaInline", "attrs": {"id": "1", "collection": "", "type": "file"}}),
    ];
    assert_eq!(
        of(&json!([paragraph(&line)])),
        "@Ann @5b11 😄 In \\*progress\\* 2026-11-21 <https://x.example/browse/A-1> and \\[attachment\\]"
    );
    let blocks = json!([
        {"type": "panel", "attrs": {"panelType": "error"}, "content": [paragraph(&[text("No")])]},
        {"type": "expand", "attrs": {"title": "More"}, "content": [paragraph(&[text("hidden")])]},
        {"type": "mediaSingle", "attrs": {"layout": "center"}, "content": [
            {"type": "media", "attrs": {"type": "external", "url": "https://x.example/a b.png", "alt": "a [b]"}}]},
        {"type": "mediaGroup", "content": [{"type": "media", "attrs": {"type": "file", "id": "1", "alt": "log.txt"}}]},
        {"type": "decisionList", "attrs": {"localId": "1"}, "content": [
            {"type": "decisionItem", "attrs": {"localId": "2", "state": "DECIDED"}, "content": [text("go")]}]},
        {"type": "layoutSection", "content": [{"type": "layoutColumn", "content": [paragraph(&[text("left")])]}]},
        {"type": "whatever", "content": [paragraph(&[text("kept")])]},
    ]);
    assert_eq!(
        of(&blocks),
        "> [!CAUTION]\n> No\n\n**More**\n\nhidden\n\n![a \\[b\\]](https://x.example/a%20b.png)\n\n\\[attachment: log.txt\\]\n\n\
         - go\n\nleft\n\nkept"
    );
}

#[test]
fn marks_that_markdown_cannot_write_are_left_out() {
    let line =
        paragraph(&[text("a"), marked("(b)", &["strong"]), text("c "), marked(" d ", &["em"]), text("e")]);
    assert_eq!(of(&json!([line])), "a(b)c  d e");
    let line = paragraph(&[
        marked("a", &["strong"]),
        marked("b", &["strong", "em"]),
        marked("c", &["code", "strong"]),
    ]);
    assert_eq!(of(&json!([line])), "**a*b***`c`");
}

#[test]
fn what_is_no_document_is_text_or_nothing() {
    for (value, markdown) in
        [(json!(null), ""), (json!("plain"), "plain"), (json!([1]), ""), (json!({"content": 7}), "")]
    {
        assert_eq!(to_markdown(&value), markdown);
    }
}

#[test]
fn what_is_too_deep_keeps_its_text_and_no_stack_overflows() {
    let mut node = paragraph(&[text("deep")]);
    // Not by the macro, which walks through what it is given.
    let around = |node: Value, kind: &str| {
        Value::Object(
            [("type".to_owned(), kind.into()), ("content".to_owned(), vec![node].into())]
                .into_iter()
                .collect(),
        )
    };
    for _ in 0..5_000 {
        node = around(node, "blockquote");
    }
    node = around(node, "doc");
    let markdown = to_markdown(&node);
    // Dropped piece by piece: a value's own way of dropping has no bound.
    while let Some(inner) = node.pointer_mut("/content/0").map(Value::take) {
        node = inner;
    }
    assert!(markdown.ends_with("deep") && markdown.matches('>').count() == MAX_DEPTH, "{markdown}");
    for markdown in [
        ">".repeat(50_000) + "deep",
        "- ".repeat(20_000) + "deep",
        "[".repeat(50_000) + "deep",
        "*a **a ".repeat(20_000),
    ] {
        let made = from_markdown(&markdown);
        // As the API reads it.
        let sent = serde_json::to_string(&made).unwrap();
        serde_json::from_str::<Value>(&sent).unwrap();
        assert!(sent.contains("deep") || sent.contains("a **a"));
    }
}
