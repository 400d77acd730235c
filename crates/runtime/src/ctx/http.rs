//! `ctx.http` and `fetch`: requests to hosts that the manifest names and an admin has consented to. Secrets that the rule of a
//! host names are put in here, on the way out, so that the plugin never has them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use registry::HostRule;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::time::timeout;
use url::Url;
use zeroize::Zeroizing;

use super::argument::read;
use super::message::{self, Answered, SentBody, admit, time_left};
use super::shares::Share;
use crate::invocation::{Invocation, shown};
use crate::redact::Redactor;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// The longest URL, in bytes.
const MAX_URL: usize = 8192;

/// The port of a rule that names none.
const HTTPS: u16 = 443;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<SentBody>,
    /// In milliseconds.
    timeout: Option<f64>,
}

/// Sends a request.
pub(super) async fn request(call: &Invocation, argument: &str) -> Result<String, String> {
    let Request { method, url, headers, body, timeout } = read("http.request", argument)?;
    let asked = Asked {
        method: message::method(&method)?,
        url,
        headers,
        body: body.map(SentBody::bytes).transpose()?,
        timeout: message::milliseconds(timeout),
    };
    let Exchanged { answered, body, redactor, room: _room } =
        exchange(call, asked).await.map_err(Failure::sentence)?;
    answered.to_json(body.into(), redactor.as_ref())
}

/// A request that a plugin wants to send.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Option<Bytes>,
    pub(crate) timeout: Option<Duration>,
}

/// What came back, with the secrets that it may echo.
pub(crate) struct Exchanged {
    pub(crate) answered: Answered,
    pub(crate) body: Bytes,
    pub(crate) redactor: Option<Redactor>,
    /// The memory that it takes up.
    pub(crate) room: Vec<Share>,
}

/// Why nothing came back: a sentence for the plugin's author.
pub(crate) enum Failure {
    /// It was not sent, because it may not be.
    Refused(String),
    /// It was sent, or an attempt was made.
    Failed(outbound::Error, String),
    /// No answer came in time.
    Late(String),
}

impl Failure {
    pub(crate) fn sentence(self) -> String {
        match self {
            Self::Refused(sentence) | Self::Failed(_, sentence) | Self::Late(sentence) => sentence,
        }
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Refused(sentence)
    }
}

impl From<outbound::Error> for Failure {
    fn from(error: outbound::Error) -> Self {
        let sentence = error.to_string();
        Self::Failed(error, sentence)
    }
}

/// Sends a request where it was consented to, with the secrets that its host's rule names.
pub(crate) async fn exchange(call: &Invocation, asked: Asked) -> Result<Exchanged, Failure> {
    let Asked { method, url, headers, body, timeout: wanted } = asked;
    let mut url = url_of(call, &url)?;
    let rule = rule_of(call, &url)?;
    let injected = Injected::of(call, rule).await?;
    let mut headers =
        message::headers(&headers, |name| rule.headers.keys().any(|own| own.eq_ignore_ascii_case(name)))?;
    injected.put_into(&mut url, &mut headers)?;
    let _room = admit(call).await?;

    let client = &call.shared.outbound;
    let sent = client.request(method, url).map_err(|error| error.to_string())?.headers(headers);
    let sent = match body {
        Some(body) => sent.body(body),
        None => sent,
    };
    let may_follow = |next: &Url| is_fit(call, next).is_ok() && rule_of(call, next).is_ok();
    let work = async {
        let response = client.send_following_to(sent, MAX_REDIRECTS, may_follow).await?;
        let answered = Answered::of(&response);
        let is_plain = is_plain(response.headers());
        Ok::<_, Failure>((answered, is_plain, message::body_of(call, response).await?))
    };
    let host = &rule.host;
    let done = timeout(time_left(call, wanted), work).await;
    let done = done.map_err(|_| Failure::Late(format!("{host} did not answer in time")))?;
    let (answered, is_plain, (body, room)) = done.map_err(|failure| match failure {
        Failure::Failed(error, sentence) => {
            Failure::Failed(error, injected.redactor.text(&sentence).into_owned())
        }
        other => other,
    })?;
    if injected.is_empty() {
        return Ok(Exchanged { answered, body, redactor: None, room });
    }
    if !is_plain {
        let sentence = format!(
            "{host} has answered in a coding, so that what it answers cannot be searched for secrets"
        );
        return Err(Failure::Refused(sentence));
    }
    Ok(Exchanged { answered, body, redactor: Some(injected.redactor), room })
}

/// Whether a body is as it is, not compressed.
fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(http::header::CONTENT_ENCODING).iter().all(|coding| coding.as_bytes() == b"identity")
}

/// The URL, which is one that may be called at all.
fn url_of(call: &Invocation, text: &str) -> Result<Url, String> {
    if text.len() > MAX_URL {
        return Err(format!("a URL has at most {MAX_URL} bytes"));
    }
    let mut url = Url::parse(text).map_err(|_| format!("{} is no URL", shown(text)))?;
    url.set_fragment(None);
    is_fit(call, &url)?;
    Ok(url)
}

/// Whether the guard lets it pass, and nobody can listen on the way there. Where the operator has allowed a host by name, that
/// is the operator's to judge.
fn is_fit(call: &Invocation, url: &Url) -> Result<(), String> {
    let guard = call.shared.outbound.guard();
    guard.check(url).map_err(|error| error.to_string())?;
    if url.scheme() == "https" || guard.is_allowed(url) {
        return Ok(());
    }
    Err(format!(
        "{} must be called by https: http is for hosts that the operator names in OUTBOUND_ALLOW",
        url.host_str().unwrap_or_default()
    ))
}

/// The rule by which the host of `url` was consented to.
fn rule_of<'a>(call: &'a Invocation, url: &Url) -> Result<&'a HostRule, String> {
    let host = url.host_str().unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or(HTTPS);
    call.rule_for(host, port).ok_or_else(|| {
        let named = if port == HTTPS { host.to_owned() } else { format!("{host}:{port}") };
        format!(
            "the plugin may not call {named}: add \"{named}\" to hosts in the manifest, and have an admin consent to it"
        )
    })
}

/// Whether the host of a rule stands for this one.
pub(crate) fn covers(rule: &str, host: &str, port: u16) -> bool {
    let (name, rule_port) = split(rule);
    if rule_port != port {
        return false;
    }
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(parent) => host
            .strip_suffix(&parent.to_ascii_lowercase())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => name.eq_ignore_ascii_case(&host),
    }
}

/// The name and the port of a rule. The colons within brackets are an IPv6 address's own.
fn split(rule: &str) -> (&str, u16) {
    let after = rule.rfind(']').map_or(0, |end| end + 1);
    let colon = rule.get(after..).and_then(|rest| rest.rfind(':')).map(|place| place + after);
    let split = colon.and_then(|colon| Some((rule.get(..colon)?, rule.get(colon + 1..)?.parse().ok()?)));
    split.unwrap_or((rule, HTTPS))
}

/// The secrets whose values stand in what a rule adds.
pub(crate) fn secrets_of(rule: &HostRule) -> impl Iterator<Item = &str> {
    rule.headers.values().chain(rule.query.values()).flat_map(|text| names_in(text))
}

/// The names that stand as `${name}` in a text.
fn names_in(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name)
}

/// What a rule adds to a request, with the secrets in it.
struct Injected {
    headers: Vec<(HeaderName, HeaderValue)>,
    query: Vec<(String, Zeroizing<String>)>,
    redactor: Redactor,
}

impl Injected {
    async fn of(call: &Invocation, rule: &HostRule) -> Result<Self, String> {
        let names: Vec<&str> = secrets_of(rule).collect();
        let mut secrets: BTreeMap<&str, &SecretString> = BTreeMap::new();
        if !names.is_empty() {
            let opened = call.secrets().await?;
            for name in names {
                let Some(value) = opened.get(name) else {
                    return Err(format!(
                        "the secret {name} that requests to {} need is not set: an admin sets it in the plugin's \
                         configuration",
                        rule.host
                    ));
                };
                secrets.insert(name, value);
            }
        }
        let mut headers = Vec::new();
        for (name, value) in &rule.headers {
            let unfit = || format!("what the manifest adds to {} as {} is no header", rule.host, shown(name));
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?;
            let mut value = HeaderValue::from_str(&filled(value, &secrets)).map_err(|_| unfit())?;
            // So that it goes to no other origin that it is sent on to.
            value.set_sensitive(true);
            headers.push((name, value));
        }
        let query = rule.query.iter().map(|(name, value)| (name.clone(), filled(value, &secrets))).collect();
        Ok(Self { headers, query, redactor: Redactor::new(secrets.into_values()) })
    }

    fn is_empty(&self) -> bool {
        self.headers.is_empty() && self.query.is_empty()
    }

    fn put_into(&self, url: &mut Url, headers: &mut HeaderMap) -> Result<(), String> {
        if let Some((name, _)) =
            url.query_pairs().find(|(name, _)| self.query.iter().any(|(own, _)| own == name))
        {
            return Err(format!("the parameter {} is set by the manifest: leave it out", shown(&name)));
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(self.query.iter().map(|(name, value)| (name, value.as_str())));
        }
        headers.extend(self.headers.iter().cloned());
        Ok(())
    }
}

/// A text with values in place of the `${name}`s.
fn filled(text: &str, secrets: &BTreeMap<&str, &SecretString>) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 256));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once('}') else { break };
        out.push_str(secrets.get(name).map(|secret| secret.expose_secret()).unwrap_or_default());
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_stands_for_its_host_and_port_alone() {
        for (rule, host, port, expected) in [
            ("api.stripe.com", "api.stripe.com", 443, true),
            ("api.stripe.com", "API.Stripe.com.", 443, true),
            ("api.stripe.com", "api.stripe.com", 80, false),
            ("api.stripe.com", "api.stripe.com", 8443, false),
            ("api.stripe.com", "xapi.stripe.com", 443, false),
            ("api.stripe.com", "a.api.stripe.com", 443, false),
            ("*.stripe.com", "api.stripe.com", 443, true),
            ("*.stripe.com", "a.b.stripe.com", 443, true),
            ("*.stripe.com", "stripe.com", 443, false),
            ("*.stripe.com", "evilstripe.com", 443, false),
            ("*.stripe.com", ".stripe.com", 443, false),
            ("*.stripe.com:8443", "api.stripe.com", 8443, true),
            ("127.0.0.1:8080", "127.0.0.1", 8080, true),
            ("127.0.0.1:8080", "127.0.0.1", 443, false),
            ("[::1]:8080", "[::1]", 8080, true),
            ("[::1]", "[::1]", 443, true),
        ] {
            assert_eq!(covers(rule, host, port), expected, "{rule} {host}:{port}");
        }
    }

    #[test]
    fn values_stand_in_place_of_names() {
        let (key, pin) = (SecretString::from("k1"), SecretString::from("${key}"));
        let secrets = [("key", &key), ("pin", &pin)].into();
        for (text, expected) in [
            ("Bearer ${key}", "Bearer k1"),
            ("${key}:${pin}", "k1:${key}"),
            ("plain", "plain"),
            ("a${gone}b", "ab"),
        ] {
            assert_eq!(filled(text, &secrets).as_str(), expected, "{text}");
        }
        assert_eq!(names_in("a ${key} ${pin} ${").collect::<Vec<_>>(), ["key", "pin"]);
    }
}
