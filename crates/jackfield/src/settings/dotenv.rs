//! Reading `.env` as products that move here have written it.
//!
//! The rules are those that node's `dotenv` and Python's `python-dotenv` share: a value without quotes goes to the end
//! of its line or to a ` #`, blanks and quotes inside it included; the last of two lines for one name holds. Nothing is
//! put in for `$`, so a secret that has one is read as it stands.

/// A line that cannot be read. It is not repeated here, because it may hold a secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Its number, from 1.
    pub(super) line: usize,
    /// What it must do, as the end of a sentence that begins with the line.
    pub(super) must: &'static str,
}

/// A name with its value, or what the line must do.
type Read = Result<(String, String), &'static str>;

const FORM: &str = "must have the form NAME=value";
const CLOSED: &str = "must close the quote that its value begins with";

/// Every name with its value, and every line that is wrong, in the order of the text.
pub(super) fn parse(text: &str) -> Vec<Result<(String, String), Wrong>> {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut found = Vec::new();
    let mut line = 1;
    while !rest.is_empty() {
        let (read, after) = assignment(rest);
        found.extend(read.map(|read| read.map_err(|must| Wrong { line, must })));
        line += newlines(rest) - newlines(after);
        rest = after;
    }
    found
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The assignment at the start of `text`, `None` for a comment or an empty line, and what comes after it.
fn assignment(text: &str) -> (Option<Read>, &str) {
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    if line.trim().is_empty() || line.trim_start().starts_with('#') {
        return (None, after);
    }
    let Some((head, from)) = text.split_once('=').filter(|_| line.contains('=')) else {
        let is_bare_export = line.trim_start().starts_with("export ");
        return ((!is_bare_export).then_some(Err(FORM)), after);
    };
    let name = head.trim();
    let name = name.strip_prefix("export ").unwrap_or(name).trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)) {
        return (Some(Err(FORM)), after);
    }
    let (value, after) = value(from, after);
    (Some(value.map(|value| (name.to_owned(), value))), after)
}

/// The value at the start of `from`, whose line is followed by `after`.
fn value<'a>(from: &'a str, after: &'a str) -> (Result<String, &'static str>, &'a str) {
    let start = from.trim_start_matches([' ', '\t']);
    if let Some(quote) = start.chars().next().filter(|first| matches!(first, '"' | '\'' | '`')) {
        let Some((value, behind)) = quoted(start, quote) else { return (Err(CLOSED), after) };
        let (tail, after) = behind.split_once('\n').unwrap_or((behind, ""));
        if tail.trim().is_empty() || tail.trim_start().starts_with('#') {
            return (Ok(value), after);
        }
    }
    let line = from.split_once('\n').map_or(from, |(line, _)| line);
    (Ok(without_comment(line).trim().to_owned()), after)
}

/// The text between the quotes at the start of `text`, over several lines if need be, and what comes behind it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next()? {
            end if end == quote => return Some((value, chars.as_str())),
            '\\' if quote == '"' => match chars.next()? {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                same @ ('"' | '\\') => value.push(same),
                other => value.extend(['\\', other]),
            },
            plain => value.push(plain),
        }
    }
}

/// A comment begins with a `#` at the start or after a blank, so that a password or a URL may hold one.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, char) in line.char_indices() {
        if char == '#' && before.is_whitespace() {
            return line.get(..at).unwrap_or(line);
        }
        before = char;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, String)> {
        parse(text).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn values_are_read_as_they_stand() {
        for (line, value) in [
            ("A=b", "b"),
            ("  export A = b c  ", "b c"),
            ("A=Numinix Plugin", "Numinix Plugin"),
            ("A=[\"http://a\", \"http://b\"]", "[\"http://a\", \"http://b\"]"),
            ("A=pa$$word${HOME}", "pa$$word${HOME}"),
            ("A=it's", "it's"),
            ("A=a#b # a comment", "a#b"),
            ("A=# a comment", ""),
            ("A=", ""),
            ("A=b=c==", "b=c=="),
            ("A=\"b # c\" # a comment", "b # c"),
            ("A='b\\n\"c\"'", "b\\n\"c\""),
            ("A=\"b\\n\\\"c\\\" \\d\"", "b\n\"c\" \\d"),
            ("A=\"two\nlines\"", "two\nlines"),
            ("A=\"b\" \"c\"", "\"b\" \"c\""),
            ("A=b\r\n", "b"),
            ("\u{feff}A=b", "b"),
        ] {
            assert_eq!(read(line), [("A".to_owned(), value.to_owned())], "{line:?}");
        }
    }

    #[test]
    fn comments_and_empty_lines_are_nothing() {
        assert_eq!(read("# a\n\n   \n  # B=c\nexport A\n"), []);
    }

    #[test]
    fn a_wrong_line_is_named_by_its_number_and_the_others_are_read() {
        let found = parse("A=\"two\nlines\"\nno assignment\nB=c\n=d\na b=c\nC=\"open\nD=e");
        let wrong = |line, must| Err(Wrong { line, must });
        let right = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        let expected = [
            right("A", "two\nlines"),
            wrong(3, FORM),
            right("B", "c"),
            wrong(5, FORM),
            wrong(6, FORM),
            wrong(7, CLOSED),
            right("D", "e"),
        ];
        assert_eq!(found, expected);
    }
}
