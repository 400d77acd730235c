//! The headers of a message, read by a parser of mail: names and subjects may still be encoded words (RFC 2047).

use mail_parser::{Address, HeaderValue, MessageParser};
use serde_json::{Map, Value};

use super::message::Part;
use crate::Author;
use crate::answer::put;

/// The headers that are read.
const READ: [&str; 10] =
    ["From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Message-ID", "In-Reply-To", "References", "Date"];

/// The headers of a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Headers {
    pub(super) from: Option<Author>,
    pub(super) to: Vec<Author>,
    pub(super) cc: Vec<Author>,
    pub(super) bcc: Vec<Author>,
    pub(super) reply_to: Vec<Author>,
    pub(super) subject: Option<String>,
    /// Without angle brackets, as those that follow.
    pub(super) message_id: Option<String>,
    pub(super) in_reply_to: Vec<String>,
    pub(super) references: Vec<String>,
}

impl Headers {
    /// Reads those of a message's first part.
    pub(super) fn of(part: &Part) -> Self {
        let mut block = String::new();
        for header in part.headers.iter().filter(|header| is_read(&header.name)) {
            block.extend([&header.name, ": ", &one_line(&header.value), "\r\n"]);
        }
        block.push_str("\r\n");
        let Some(message) = MessageParser::default().parse_headers(block.as_bytes()) else {
            return Self::default();
        };
        Self {
            from: people(message.from()).into_iter().next(),
            to: message.all_to().flat_map(|list| people(Some(list))).collect(),
            cc: message.all_cc().flat_map(|list| people(Some(list))).collect(),
            bcc: message.all_bcc().flat_map(|list| people(Some(list))).collect(),
            reply_to: people(message.reply_to()),
            subject: message.subject().map(one_line),
            message_id: message.message_id().map(one_line),
            in_reply_to: texts(message.in_reply_to()),
            references: texts(message.references()),
        }
    }
}

fn is_read(name: &str) -> bool {
    READ.iter().any(|read| read.eq_ignore_ascii_case(name))
}

/// Encoded words can hold line breaks, which would be headers of their own in an answer to the message.
fn one_line(value: &str) -> String {
    value.replace(|letter: char| letter.is_control(), " ")
}

fn texts(value: &HeaderValue<'_>) -> Vec<String> {
    value.as_text_list().unwrap_or_default().iter().map(|text| one_line(text)).collect()
}

/// The people of a list of addresses, as in `Ann Lee <ann@example.com>, ben@example.com`.
pub(super) fn parse(list: &str) -> Vec<Author> {
    let block = format!("To: {}\r\n\r\n", one_line(list));
    let message = MessageParser::default().parse_headers(block.as_bytes());
    message.map(|message| people(message.to())).unwrap_or_default()
}

fn people(address: Option<&Address<'_>>) -> Vec<Author> {
    let each = address.into_iter().flat_map(Address::iter);
    let author = |each: &mail_parser::Addr<'_>| Author {
        id: None,
        name: each.name().filter(|name| !name.is_empty()).map(one_line),
        email: each.address().filter(|email| !email.is_empty()).map(one_line),
    };
    each.map(author).filter(|author| *author != Author::default()).collect()
}

/// People as they stand in an item.
pub(super) fn as_json(people: &[Author]) -> Value {
    let each = |person: &Author| {
        let mut told = Map::new();
        put(&mut told, "name", person.name.as_deref());
        put(&mut told, "email", person.email.as_deref());
        Value::Object(told)
    };
    people.iter().map(each).collect()
}

/// A parameter of a header such as `Content-Type`.
pub(super) fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = header.split(';').skip(1).filter_map(|pair| pair.split_once('='));
    let (_, value) = parameters.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> Headers {
        let headers: Vec<Value> =
            pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        Headers::of(&serde_json::from_value(json!({"headers": headers})).unwrap())
    }

    fn person(name: Option<&str>, email: &str) -> Author {
        Author { id: None, name: name.map(str::to_owned), email: Some(email.to_owned()) }
    }

    #[test]
    fn headers_are_read_encoded_or_not() {
        let read = headers(&[
            ("from", "=?utf-8?B?xYF1a2Fzeg==?= <lukasz@example.org>"),
            ("To", "\"Lee, Ann\" <ann@example.com>, ben@example.com"),
            ("Cc", "Żak <zak@example.com>"),
            ("Subject", "=?utf-8?Q?Za=C5=BC=C3=B3=C5=82=C4=87?= – lunch?"),
            ("Message-Id", "<a@b>"),
            ("In-Reply-To", "<c@d>"),
            ("References", "<e@f> <c@d>"),
            ("X-Other", "<g@h>"),
        ]);
        assert_eq!(read.from, Some(person(Some("Łukasz"), "lukasz@example.org")));
        assert_eq!(read.to, [person(Some("Lee, Ann"), "ann@example.com"), person(None, "ben@example.com")]);
        assert_eq!(read.cc, [person(Some("Żak"), "zak@example.com")]);
        assert_eq!(read.subject.as_deref(), Some("Zażółć – lunch?"));
        assert_eq!(
            (read.message_id.as_deref(), &read.in_reply_to[..]),
            (Some("a@b"), &["c@d".to_owned()][..])
        );
        assert_eq!(read.references, ["e@f", "c@d"]);
        assert_eq!(headers(&[]), Headers::default());
    }

    #[test]
    fn a_value_brings_no_header_along() {
        let read = headers(&[("Subject", "a\r\nBcc: x@y.example\r\n\r\nbody")]);
        assert_eq!((read.subject.as_deref(), read.bcc.len()), (Some("a  Bcc: x@y.example    body"), 0));
    }

    #[test]
    fn an_encoded_word_brings_no_header_along() {
        let word = "=?utf-8?B?YQ0KQmNjOiB4QHkuZXhhbXBsZQ==?=";
        let from = format!("{word} <ann@example.com>");
        let read = headers(&[("Subject", word), ("From", &from), ("Message-ID", word), ("References", word)]);
        let (subject, name) = (read.subject.unwrap(), read.from.unwrap().name.unwrap());
        for text in [subject, name].iter().chain(&read.message_id).chain(&read.references) {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }

    #[test]
    fn parameters_are_found() {
        for (header, expected) in [
            ("text/plain; charset=utf-8", Some("utf-8")),
            ("text/plain; format=flowed; Charset=\"ISO-8859-1\"", Some("ISO-8859-1")),
            ("text/plain", None),
            ("", None),
        ] {
            assert_eq!(parameter(header, "charset"), expected);
        }
    }
}
