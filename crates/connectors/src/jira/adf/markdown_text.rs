//! Texts as Markdown writes them: <https://spec.commonmark.org/0.31.2/>.

use std::fmt::Write as _;

/// Where a text stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// In a paragraph.
    #[default]
    Paragraph,
    /// In a heading.
    Heading,
    /// In a table's cell.
    Cell,
}

/// `text` so that nothing in it is read as markup. `is_first` says that a line begins with it.
pub(super) fn escaped(text: &str, place: Place, is_first: bool) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    // The full stop or bracket of what would be a list's number.
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let number = (is_first && (1..=9).contains(&digits)).then_some(digits);
    let mut before = None;
    let mut letters = text.char_indices().enumerate().peekable();
    while let Some((index, (at, letter))) = letters.next() {
        let after = letters.peek().map(|(_, (_, letter))| *letter);
        let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        let is_markup = match letter {
            '\\' | '`' | '*' | '[' | ']' | '<' | '~' => true,
            '_' => !(is_word(before) && is_word(after)),
            '&' => text.get(at..).is_some_and(is_entity),
            '!' => after == Some('['),
            '|' => place == Place::Cell || (is_first && index == 0),
            '#' => place == Place::Heading || (is_first && index == 0),
            '+' | '-' | '>' | '=' | ':' => is_first && index == 0,
            '.' | ')' => number == Some(index),
            _ => false,
        };
        if is_markup {
            out.push('\\');
        }
        out.push(letter);
        before = Some(letter);
    }
    out
}

/// `text` with a backslash before every sign that may have one.
pub(super) fn escaped_all(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if letter.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Whether a text that begins with `&` may begin with a character's name or number.
fn is_entity(text: &str) -> bool {
    let name = text.strip_prefix('&').and_then(|rest| rest.split_once(';')).map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '#')
}

/// Blanks where Markdown would leave them out: at the beginning and the end of lines.
pub(super) fn padded(blanks: &str) -> String {
    blanks.replace(' ', "&#32;").replace('\t', "&#9;")
}

/// A code span.
pub(super) fn code(text: &str) -> String {
    let fence = "`".repeat(longest_run(text) + 1);
    // One blank on each side is left out again, unless there is nothing else.
    let is_padded = text.starts_with('`') || text.ends_with('`');
    let would_be_cut = text.starts_with(' ') && text.ends_with(' ') && !text.trim_matches(' ').is_empty();
    let pad = if is_padded || would_be_cut { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A fenced block of code.
pub(super) fn code_block(text: &str, language: &str) -> String {
    let fence = "`".repeat((longest_run(text) + 1).max(3));
    let is_word = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '+' | '#' | '.' | '_');
    let language: String = language.chars().filter(is_word).take(40).collect();
    if text.is_empty() {
        format!("{fence}{language}\n{fence}")
    } else {
        format!("{fence}{language}\n{text}\n{fence}")
    }
}

fn longest_run(text: &str) -> usize {
    text.split(|letter| letter != '`').map(str::len).max().unwrap_or_default()
}

/// An address as a link's destination.
pub(super) fn destination(address: &str) -> String {
    let mut out = String::with_capacity(address.len());
    for (at, letter) in address.char_indices() {
        match letter {
            ' ' | '(' | ')' | '<' | '>' | '\\' | '|' | '`' => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    // Writing into a text does not fail.
                    let _ = write!(out, "%{byte:02X}");
                }
            }
            '&' if address.get(at..).is_some_and(is_entity) => out.push_str("&amp;"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn only_what_would_be_markup_is_escaped() {
        let line = |text: &str| escaped(text, Place::Paragraph, true);
        for plain in ["a - b", "snake_case_name", "a & b", "5 > 3 + 1", "C#", "Hello!", "2026-11-21", "a|b"] {
            assert_eq!(line(plain), plain, "{plain}");
        }
        assert_eq!(line("- a"), "\\- a");
        assert_eq!((line("12) a").as_str(), line("3.14").as_str()), ("12\\) a", "3\\.14"));
        assert_eq!(
            line("_a_ *b* [c] <d> &amp; `e` ~~f~~"),
            "\\_a\\_ \\*b\\* \\[c\\] \\<d> \\&amp; \\`e\\` \\~\\~f\\~\\~"
        );
        assert_eq!(escaped("a|b", Place::Cell, false), "a\\|b");
    }

    #[test]
    fn code_keeps_its_backticks_and_blanks() {
        assert_eq!((code("a`b").as_str(), code("`").as_str()), ("``a`b``", "`` ` ``"));
        assert_eq!((code(" a ").as_str(), code("  ").as_str()), ("`  a  `", "`  `"));
        assert_eq!(code_block("```", "c++ x\n"), "````c++x\n```\n````");
    }

    #[test]
    fn a_destination_ends_where_it_ends() {
        assert_eq!(
            destination("https://x/a b(c)<d>?a=1&copy;"),
            "https://x/a%20b%28c%29%3Cd%3E?a=1&amp;copy;"
        );
    }
}
