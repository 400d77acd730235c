//! As much of HTML as a browser needs to fill in forms that well-behaved programs write.

use reqwest::Url;

/// A form, with the values that it would send.
#[derive(Debug, Clone)]
pub struct Form {
    /// Where it is sent to.
    pub action: Url,
    /// Whether it is sent as the body of a POST.
    pub is_post: bool,
    /// What it sends, in the order of the page; boxes that are not ticked are left out, and so are buttons.
    pub fields: Vec<(String, String)>,
    /// Its buttons.
    pub buttons: Vec<Button>,
    /// All its text, words separated by single spaces.
    pub text: String,
}

/// A button that sends a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    /// The name under which its value is sent; may be empty.
    pub name: String,
    /// The value.
    pub value: String,
    /// What stands on it.
    pub text: String,
}

impl Form {
    /// The form with `name` set to `value` alone: a text filled in, one of several circles chosen.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The form with the box of `name` and `value` not ticked.
    #[must_use]
    pub fn untick(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, ticked)| (known.as_str(), ticked.as_str()) != (name, value));
        self
    }

    /// The form sent by the button on which `text` stands.
    ///
    /// # Errors
    /// If there is none.
    pub fn press(mut self, text: &str) -> anyhow::Result<Self> {
        let button = self.buttons.iter().find(|button| button.text == text);
        let button = button.ok_or_else(|| anyhow::anyhow!("no button {text:?} in {:?}", self.buttons))?;
        if !button.name.is_empty() {
            self.fields.push((button.name.clone(), button.value.clone()));
        }
        Ok(self)
    }
}

/// The forms of a page at `base`.
pub(crate) fn forms(base: &Url, html: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    let mut open: Option<Form> = None;
    let mut in_button = false;
    for piece in pieces(html) {
        let (tag, text) = piece;
        match (tag.name.as_str(), open.as_mut()) {
            ("form", _) => open = Some(form(base, &tag)),
            ("/form", _) => forms.extend(open.take()),
            ("input", Some(form)) => input(form, &tag),
            ("button", Some(form)) => {
                in_button = true;
                form.buttons.push(Button {
                    name: tag.attribute("name"),
                    value: tag.attribute("value"),
                    text: String::new(),
                });
            }
            ("/button", _) => in_button = false,
            _ => {}
        }
        if let Some(form) = open.as_mut() {
            add_words(&mut form.text, &text);
            if in_button && let Some(button) = form.buttons.last_mut() {
                add_words(&mut button.text, &text);
            }
        }
    }
    forms
}

fn form(base: &Url, tag: &Tag) -> Form {
    let action = tag.attribute("action");
    // An address that cannot be joined is the page's own, as in browsers.
    let action = base.join(&action).unwrap_or_else(|_| base.clone());
    let is_post = tag.attribute("method").eq_ignore_ascii_case("post");
    Form { action, is_post, fields: Vec::new(), buttons: Vec::new(), text: String::new() }
}

fn input(form: &mut Form, tag: &Tag) {
    let (name, value) = (tag.attribute("name"), tag.attribute("value"));
    match tag.attribute("type").as_str() {
        "submit" => form.buttons.push(Button { name, text: value.clone(), value }),
        "checkbox" | "radio" if !tag.has("checked") => {}
        _ if name.is_empty() => {}
        _ => form.fields.push((name, value)),
    }
}

fn add_words(text: &mut String, more: &str) {
    for word in more.split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
}

#[derive(Debug, Default)]
struct Tag {
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn has(&self, name: &str) -> bool {
        self.attributes.iter().any(|(known, _)| known == name)
    }

    fn attribute(&self, name: &str) -> String {
        let found = self.attributes.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// Each tag with the text that follows it, entities resolved.
fn pieces(html: &str) -> Vec<(Tag, String)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, after) = tag(after);
        let until =
            if tag.name == "style" || tag.name == "script" { format!("</{}", tag.name) } else { "<".into() };
        let end = after.find(&until).unwrap_or(after.len());
        let (text, after) = after.split_at(end);
        found.push((tag, unescape(text)));
        rest = after;
    }
    found
}

/// Reads a tag after its `<`; gives it and what follows its `>`.
fn tag(text: &str) -> (Tag, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    let mut tag = Tag { name: name.trim_end_matches('/').to_ascii_lowercase(), attributes: Vec::new() };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (tag, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (tag, after);
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '=' || c == '>').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(after) => value(after),
            None => (String::new(), after),
        };
        tag.attributes.push((name.to_ascii_lowercase(), value));
        // A lone quote or the like would never be passed otherwise.
        rest = if after.len() == rest.len() { after.get(1..).unwrap_or_default() } else { after };
    }
}

fn value(text: &str) -> (String, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (value, rest) = quoted.split_once(quote).unwrap_or((quoted, ""));
            return (unescape(value), rest);
        }
    }
    let end = text.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    (unescape(value), rest)
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let known = after.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        let (character, after) = known.unwrap_or(('&', after));
        plain.push(character);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

fn character(name: &str) -> Option<char> {
    let code = match name {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        "nbsp" => return Some(' '),
        _ => name.strip_prefix('#')?,
    };
    let number = match code.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => code.parse(),
    };
    char::from_u32(number.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_read_as_browsers_do() {
        let page = Url::parse("http://a.example/x/page?q=1").unwrap();
        let html = r#"<!doctype html><style>a > b { content: "<form>" }</style>
            <form method="POST" action='send?a=1&amp;b=2'>
              <input type=hidden name=state value="&quot;&lt;&#39;&#x41;">
              <label><input type="checkbox" name="scope" value="a" checked> A &amp; b</label>
              <input type="checkbox" name="scope" value="b"/>
              <button name="answer" value="yes">  Yes,
                 <b>please</b></button><input type="submit" value="No">
            </form><form><input name="q"></form>"#;
        let [first, second] = forms(&page, html).try_into().unwrap();
        assert_eq!(first.action.as_str(), "http://a.example/x/send?a=1&b=2");
        assert!(first.is_post);
        let fields = [("state", "\"<'A"), ("scope", "a")].map(|(name, value)| (name.into(), value.into()));
        assert_eq!(first.fields, fields);
        assert_eq!(first.text, "A & b Yes, please");
        let sent = first.clone().untick("scope", "a").press("Yes, please").unwrap().fields;
        assert_eq!(sent.last().unwrap(), &("answer".to_owned(), "yes".to_owned()));
        assert_eq!(first.clone().press("No").unwrap().fields, first.fields);
        assert!(first.press("Perhaps").is_err());
        assert_eq!((second.is_post, second.action), (false, page));
    }

    #[test]
    fn broken_pages_do_no_harm() {
        let page = Url::parse("http://a.example/").unwrap();
        for html in
            ["<", "<form", "<form \"", "<form a=\"", "<form><input =", "<form =>&#x110000;&", "<form><b"]
        {
            assert!(forms(&page, html).is_empty(), "{html}");
        }
    }
}
