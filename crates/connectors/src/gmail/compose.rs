//! A message that is to be sent, from the fields that a caller gives to the bytes of mail (RFC 5322, RFC 2045).

use mail_builder::headers::HeaderType;
use mail_builder::headers::address::Address;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId;
use mail_builder::headers::text::Text;
use mail_builder::mime::{BodyPart, MimePart};
use model::Ambient;
use serde_json::{Map, Value};

use super::header::{Headers, parse};
use crate::answer::url_base64;
use crate::fields::{Fields, required};
use crate::{Author, Error};

/// The most recipients that Gmail takes: <https://support.google.com/mail/answer/22839>.
const MAX_RECIPIENTS: usize = 500;

const KNOWN: [&str; 11] = [
    "to",
    "cc",
    "bcc",
    "from",
    "reply_to",
    "subject",
    "body",
    "html",
    "attachments",
    "reply_to_message_id",
    "thread_id",
];

/// A message to be sent.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) to: Vec<Author>,
    pub(super) cc: Vec<Author>,
    pub(super) bcc: Vec<Author>,
    from: Vec<Author>,
    reply_to: Vec<Author>,
    pub(super) subject: Option<&'a str>,
    pub(super) body: Option<&'a str>,
    html: Option<&'a str>,
    attachments: Vec<Attachment<'a>>,
    /// The message at Gmail that this one answers.
    pub(super) answers: Option<&'a str>,
    pub(super) thread_id: Option<&'a str>,
}

#[derive(Debug)]
struct Attachment<'a> {
    filename: &'a str,
    mime_type: &'a str,
    content: Vec<u8>,
}

/// What is known of the message that is answered.
#[derive(Debug, Default)]
pub(super) struct Answered {
    pub(super) headers: Headers,
    /// Whether the account itself has sent it.
    pub(super) is_own: bool,
}

impl<'a> Draft<'a> {
    /// Reads the fields of a body.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong.
    pub(super) fn read(given: &'a Map<String, Value>) -> Result<Self, Error> {
        let mut fields = Fields::new(given, &KNOWN);
        let draft = Self {
            to: people(&mut fields, "to"),
            cc: people(&mut fields, "cc"),
            bcc: people(&mut fields, "bcc"),
            from: people(&mut fields, "from"),
            reply_to: people(&mut fields, "reply_to"),
            subject: fields.line("subject"),
            body: fields.text("body"),
            html: fields.text("html"),
            attachments: attachments(&mut fields),
            answers: fields.line("reply_to_message_id"),
            thread_id: fields.line("thread_id"),
        };
        if draft.recipients() == 0 && draft.answers.is_none() {
            fields.refuse("/to", "must be given, or cc, bcc or reply_to_message_id");
        }
        if draft.recipients() > MAX_RECIPIENTS {
            fields.refuse("/to", format!("must be at most {MAX_RECIPIENTS} recipients, with cc and bcc"));
        }
        if draft.from.len() > 1 {
            fields.refuse("/from", "must be one address");
        }
        if draft.body.is_none() && draft.html.is_none() {
            fields.refuse("/body", "must be given, or html; it may be empty");
        }
        fields.finish(draft)
    }

    fn recipients(&self) -> usize {
        self.to.len() + self.cc.len() + self.bcc.len()
    }

    /// Fills in what follows from the message that this one answers: to whom, and about what.
    ///
    /// # Errors
    /// [`Error::Invalid`] where that has nobody to be answered.
    pub(super) fn address(&mut self, answered: &Answered) -> Result<(), Error> {
        if self.recipients() > 0 {
            return Ok(());
        }
        let Headers { from, to, reply_to, .. } = &answered.headers;
        self.to = match (answered.is_own, reply_to.is_empty()) {
            (true, _) => to.clone(),
            (false, false) => reply_to.clone(),
            (false, true) => from.iter().cloned().collect(),
        };
        self.to.retain(|person| person.email.as_deref().is_some_and(is_address));
        if self.to.is_empty() { Err(required("to")) } else { Ok(()) }
    }

    /// The subject: the given one, or that of the message that is answered.
    pub(super) fn title(&self, answered: Option<&Answered>) -> String {
        let other = answered.and_then(|answered| answered.headers.subject.as_deref()).unwrap_or_default();
        let is_answer = other.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
        match self.subject {
            Some(subject) => subject.to_owned(),
            None if answered.is_none() || is_answer => other.to_owned(),
            None => format!("Re: {other}").trim_end().to_owned(),
        }
    }

    /// The message as it is sent. Gmail itself adds its date and its id.
    pub(super) fn mime(
        &self,
        answered: Option<&Answered>,
        account: Option<&str>,
        ambient: &Ambient,
    ) -> std::io::Result<Vec<u8>> {
        let mut root = self.content(ambient);
        let mut headers = self.headers(answered, account);
        headers.append(&mut root.headers);
        let mut bytes = Vec::new();
        MimePart { headers, contents: root.contents }.write_part(&mut bytes)?;
        Ok(bytes)
    }

    fn headers<'h>(
        &'h self,
        answered: Option<&'h Answered>,
        account: Option<&'h str>,
    ) -> Vec<(std::borrow::Cow<'h, str>, HeaderType<'h>)> {
        let own = account.filter(|_| self.from.is_empty()).map(Address::from);
        let mut headers: Vec<_> = own.map(|own| ("From".into(), own.into())).into_iter().collect();
        for (name, people) in [
            ("From", &self.from),
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Bcc", &self.bcc),
            ("Reply-To", &self.reply_to),
        ] {
            if !people.is_empty() {
                headers.push((name.into(), Address::new_list(people.iter().map(address).collect()).into()));
            }
        }
        headers.push(("Subject".into(), Text::new(self.title(answered)).into()));
        if let Some(id) = answered.and_then(|answered| answered.headers.message_id.as_deref()) {
            let before = answered.map(|answered| &answered.headers.references[..]).unwrap_or_default();
            let chain = before.iter().map(String::as_str).filter(|each| *each != id).chain([id]);
            headers.push(("In-Reply-To".into(), MessageId::new(id).into()));
            headers.push(("References".into(), MessageId::new_list(chain).into()));
        }
        headers.push(("MIME-Version".into(), Text::new("1.0").into()));
        headers
    }

    fn content(&self, ambient: &Ambient) -> MimePart<'_> {
        let plain = self.body.map(|body| MimePart::new("text/plain", body));
        let html = self.html.map(|html| MimePart::new("text/html", html));
        let shown = match (plain, html) {
            (Some(plain), Some(html)) => multipart("multipart/alternative", vec![plain, html], ambient),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => MimePart::new("text/plain", ""),
        };
        if self.attachments.is_empty() {
            return shown;
        }
        let files = self.attachments.iter().map(|file| {
            let content = BodyPart::Binary(file.content.as_slice().into());
            MimePart::new(file.mime_type, content).attachment(file.filename)
        });
        multipart("multipart/mixed", std::iter::once(shown).chain(files).collect(), ambient)
    }
}

/// Parts between boundaries that nobody can foretell.
fn multipart<'a>(kind: &'static str, parts: Vec<MimePart<'a>>, ambient: &Ambient) -> MimePart<'a> {
    let boundary = hex::encode(ambient.bytes::<16>());
    MimePart::new(ContentType::new(kind).attribute("boundary", boundary), parts)
}

fn address(person: &Author) -> Address<'_> {
    Address::new_address(person.name.as_deref(), person.email.as_deref().unwrap_or_default())
}

/// People as one text, `Ann Lee <ann@example.com>, ben@example.com`, or as a list of such texts and of objects with
/// `email` and perhaps `name`, as items have them.
fn people(fields: &mut Fields<'_>, name: &str) -> Vec<Author> {
    let Some(value) = fields.value(name) else { return Vec::new() };
    let each = |value: &Value| match value {
        Value::String(text) if text.chars().any(char::is_control) => None,
        Value::String(text) => {
            Some(parse(text)).filter(|people| !people.is_empty() || text.trim().is_empty())
        }
        Value::Object(person) => {
            let text = |key: &str| person.get(key).and_then(Value::as_str).map(str::to_owned);
            Some(vec![Author { id: None, name: text("name"), email: text("email") }])
        }
        _ => None,
    };
    let read = match value {
        Value::Array(list) => list.iter().map(each).collect::<Option<Vec<_>>>().map(|lists| lists.concat()),
        one => each(one),
    };
    let is_right = |person: &Author| {
        person.email.as_deref().is_some_and(is_address)
            && !person.name.as_deref().unwrap_or_default().chars().any(char::is_control)
    };
    match read {
        Some(people) if people.iter().all(is_right) => people,
        _ => {
            fields.refuse(format!("/{name}"), "must be e-mail addresses, as in Ann Lee <ann@example.com>");
            Vec::new()
        }
    }
}

/// Something that a mail can be sent to and that is nothing else besides.
fn is_address(text: &str) -> bool {
    let forbidden =
        |letter: char| letter.is_control() || letter.is_whitespace() || "<>,;:()[]\\\"".contains(letter);
    let has_both =
        text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty());
    has_both && text.matches('@').count() == 1 && text.len() <= 254 && !text.contains(forbidden)
}

fn attachments<'a>(fields: &mut Fields<'a>) -> Vec<Attachment<'a>> {
    let list = fields.list("attachments");
    let read = list.iter().enumerate().filter_map(|(index, each)| {
        let attachment = attachment(each);
        if attachment.is_none() {
            fields.refuse(
                format!("/attachments/{index}"),
                "must have a filename of one line, content in base64, and perhaps a mime_type like text/plain",
            );
        }
        attachment
    });
    read.collect()
}

fn attachment(given: &Value) -> Option<Attachment<'_>> {
    let text = |name: &str| given.get(name).and_then(Value::as_str);
    let filename = text("filename").filter(|name| !name.is_empty() && !name.chars().any(char::is_control))?;
    let mime_type = match given.get("mime_type") {
        None | Some(Value::Null) => "application/octet-stream",
        Some(value) => value.as_str().filter(|text| is_media_type(text))?,
    };
    Some(Attachment { filename, mime_type, content: url_base64(text("content")?)? })
}

/// `type/subtype` without parameters (RFC 6838, section 4.2), and not one that holds parts.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
        !name.is_empty() && name.bytes().all(is_letter)
    };
    let Some((kind, subtype)) = text.split_once('/') else { return false };
    is_name(kind) && is_name(subtype) && !kind.eq_ignore_ascii_case("multipart")
}
