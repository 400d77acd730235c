//! Documents and Markdown made by chance: their text must survive.

use serde_json::{Value, json};

use super::to_markdown::{content, flat, kind};
use super::{from_markdown, to_markdown};

/// Numbers by chance, the same each time (xorshift, Marsaglia 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// What Markdown could take for markup, and what it could not.
const PARTS: &[&str] = &[
    "a",
    "word",
    "ä",
    "😄",
    " ",
    "  ",
    "\t",
    "*",
    "**",
    "_",
    "__",
    "`",
    "``",
    "```",
    "~",
    "~~",
    "[",
    "]",
    "(",
    ")",
    "![",
    "](x)",
    "<",
    ">",
    "<b>",
    "</b>",
    "<br>",
    "<!--",
    "&",
    "&amp;",
    "&#35;",
    "#",
    "# ",
    "-",
    "- ",
    "---",
    "+ ",
    "=",
    "===",
    "1.",
    "2) ",
    "|",
    "|-|",
    ":--",
    "\\",
    "\\\\",
    "!",
    "$",
    "^",
    "[ ] ",
    "[!NOTE]",
    "https://x.example/",
    ".",
    ":",
    "\"",
    "'",
    "\u{a0}",
    "{x}",
    "    ",
    "~~~",
    "[a]: b",
    "\u{200b}",
    "@ann",
    "www.x.example",
    "%20",
    ";",
    "…",
];

fn words(chance: &mut Chance) -> String {
    (0..=chance.below(6)).map(|_| chance.one(PARTS)).collect()
}

fn inline(chance: &mut Chance) -> Vec<Value> {
    let nodes = (0..=chance.below(5)).map(|_| match chance.below(12) {
        0 => json!({"type": "hardBreak"}),
        1 => json!({"type": "inlineCard", "attrs": {"url": "https://x.example/a?b=c"}}),
        number => {
            let mut marks = Vec::new();
            if number == 2 {
                marks.push(json!({"type": "link", "attrs": {"href": "https://x.example/(a)?b=c&d"}}));
            }
            if number == 3 {
                marks.push(json!({"type": "code"}));
            }
            for name in ["strong", "em", "strike"] {
                if number != 3 && chance.below(4) == 0 {
                    marks.push(json!({"type": name}));
                }
            }
            json!({"type": "text", "text": words(chance), "marks": marks})
        }
    });
    nodes.collect()
}

fn blocks(chance: &mut Chance, depth: usize) -> Vec<Value> {
    (0..=chance.below(4)).map(|_| block(chance, depth)).collect()
}

fn block(chance: &mut Chance, depth: usize) -> Value {
    match if depth > 3 { chance.below(3) } else { chance.below(11) } {
        0 => json!({"type": "heading", "attrs": {"level": 1 + chance.below(6)}, "content": inline(chance)}),
        1 => {
            let lines: Vec<String> = (0..chance.below(4)).map(|_| words(chance)).collect();
            json!({"type": "codeBlock", "attrs": {"language": "c++"}, "content": [{"type": "text", "text": lines.join("\n")}]})
        }
        4 => {
            let items: Vec<Value> = (0..=chance.below(3))
                .map(|_| json!({"type": "listItem", "content": blocks(chance, depth + 1)}))
                .collect();
            json!({"type": "bulletList", "content": items})
        }
        5 => {
            let items: Vec<Value> = (0..=chance.below(3))
                .map(|_| json!({"type": "listItem", "content": blocks(chance, depth + 1)}))
                .collect();
            json!({"type": "orderedList", "attrs": {"order": chance.below(12)}, "content": items})
        }
        6 => json!({"type": "blockquote", "content": blocks(chance, depth + 1)}),
        7 => {
            json!({"type": "panel", "attrs": {"panelType": "warning"}, "content": blocks(chance, depth + 1)})
        }
        8 => {
            let items: Vec<Value> = (0..=chance.below(3))
                .map(|_| json!({"type": "taskItem", "attrs": {"state": "DONE"}, "content": inline(chance)}))
                .collect();
            json!({"type": "taskList", "content": items})
        }
        9 if depth == 0 => {
            let (columns, head) = (1 + chance.below(3), chance.one(&["tableHeader", "tableCell"]));
            let mut row = |kind: &str| {
                let cells: Vec<Value> = (0..columns)
                    .map(|_| json!({"type": kind, "content": [{"type": "paragraph", "content": inline(chance)}]}))
                    .collect();
                json!({"type": "tableRow", "content": cells})
            };
            json!({"type": "table", "content": [row(head), row("tableCell")]})
        }
        10 => json!({"type": "rule"}),
        _ => json!({"type": "paragraph", "content": inline(chance)}),
    }
}

/// The words of each paragraph and the like, in order; without line breaks at the edges, which Markdown has not, and without the
/// signs of tasks, which are words where there may be no task.
fn texts(node: &Value, found: &mut Vec<String>) {
    if !matches!(kind(node), "paragraph" | "heading" | "codeBlock" | "taskItem") {
        for child in content(node) {
            texts(child, found);
        }
        return;
    }
    let parts = content(node).iter().map(|child| match kind(child) {
        "inlineCard" => child["attrs"]["url"].as_str().unwrap().to_owned(),
        _ => flat(child),
    });
    let mut text: String = parts.collect();
    if kind(node) != "codeBlock" {
        text = text.trim_matches('\n').replace('\n', " ");
    }
    let text = text.trim_start_matches("[x] ").trim_start_matches("[ ] ").trim_start_matches("[x] ");
    if !text.is_empty() {
        found.push(text.to_owned());
    }
}

fn texts_of(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    texts(document, &mut found);
    found
}

fn assert_same(again: &Value, before: &Value, seed: u64, markdown: &str) {
    let (again, before) = (texts_of(again), texts_of(before));
    let same = again.iter().zip(&before).take_while(|(left, right)| left == right).count();
    assert_eq!(again.get(same), before.get(same), "seed {seed}, paragraph {same} of\n{markdown}");
}

#[test]
fn the_text_of_documents_survives() {
    for seed in 1..=400 {
        let mut chance = Chance(seed * 0x9e37_79b9_7f4a);
        let document = json!({"type": "doc", "version": 1, "content": blocks(&mut chance, 0)});
        let markdown = to_markdown(&document);
        let again = from_markdown(&markdown);
        assert_same(&again, &document, seed, &markdown);
    }
}

#[test]
fn the_text_of_markdown_survives() {
    let joints = ["", "", " ", "\n", "\n\n", "\n  ", "\n    ", "\n> ", "\n- ", "\n| a | b |\n|-|-|\n| "];
    for seed in 1..=400 {
        let mut chance = Chance(seed * 0x9e37_79b9_7f4a);
        let markdown: String =
            (0..chance.below(40)).map(|_| chance.one(PARTS).to_owned() + chance.one(&joints)).collect();
        let document = from_markdown(&markdown);
        let again = from_markdown(&to_markdown(&document));
        assert_same(&again, &document, seed, &markdown);
    }
}
