//! Asking who consented, what the grant covers, and whether a token is still accepted.

use http::Method;
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::answer::TokenAnswer;
use super::body::SecretJson;
use super::client::{Client, bearer};
use super::error::CallError;
use super::refusal::{Place, refusal};
use crate::catalog::SitesShape;
use crate::connection::{Account, Site};

/// What stands before a pointer into the token answer.
const IN_TOKEN_ANSWER: &str = "token:";

/// The longest id, name or address that is kept, in characters.
const MAX_TEXT: usize = 256;

/// The longest e-mail address (RFC 5321, section 4.5.3.1).
const MAX_EMAIL: usize = 254;

/// The most sites of one grant that are kept.
const MAX_SITES: usize = 500;

/// What a provider says of an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// It is accepted.
    Accepted,
    /// The entry names nothing that could be asked.
    NothingToAsk,
}

impl Client<'_> {
    /// The account that consented, from where the entry says it stands. The provider is asked only if some of it stands
    /// in its userinfo answer. Empty where the entry says nothing; an id that it promises and does not give is an
    /// error, because connections are told apart by it.
    pub async fn account(self, answer: &TokenAnswer) -> Result<Account, CallError> {
        let shape = &self.provider.account;
        let pointers = || shape.id.iter().chain(&shape.email).chain(&shape.name);
        let userinfo = match &self.resolved.userinfo {
            Some(url) if pointers().any(|pointer| !pointer.starts_with(IN_TOKEN_ANSWER)) => {
                Some(self.ask(url.clone(), self.first_access(answer)?).await?)
            }
            _ => None,
        };
        let sources = Sources { userinfo: userinfo.as_ref(), token: &answer.raw };
        Ok(Account {
            id: sources.id(&shape.id)?,
            email: shape.email.as_ref().and_then(|pointer| sources.email(pointer)),
            name: shape.name.as_ref().and_then(|pointer| name_text(sources.at(pointer)?)),
        })
    }

    /// The sites that the grant covers; empty where the entry has none. Each once, though a provider may list it for
    /// each of its products.
    pub async fn sites(self, answer: &TokenAnswer) -> Result<Vec<Site>, CallError> {
        let Some(shape) = &self.provider.sites else { return Ok(Vec::new()) };
        let access = self.first_access(answer)?;
        let url = Url::parse(&shape.url).map_err(|_| CallError::Malformed("the URL of the sites"))?;
        let answer = self.ask(url, access).await?;
        let listed = answer.value().as_array().ok_or(CallError::Malformed("the sites are not a list"))?;
        let mut sites: Vec<Site> = Vec::new();
        for site in listed.iter().filter_map(|item| site(shape, item)) {
            if sites.len() < MAX_SITES && sites.iter().all(|known| known.id != site.id) {
                sites.push(site);
            }
        }
        Ok(sites)
    }

    /// Shows the token where the account is told. `TokenRejected` means that the provider does not accept it; any other
    /// error says nothing of the token.
    pub async fn probe(self, access: &SecretString) -> Result<Probed, CallError> {
        match &self.resolved.userinfo {
            Some(url) => self.ask(url.clone(), access).await.map(|_| Probed::Accepted),
            None => Ok(Probed::NothingToAsk),
        }
    }

    /// The access token of the first credential, in the entry's order, that the user granted.
    fn first_access<'t>(&self, answer: &'t TokenAnswer) -> Result<&'t SecretString, CallError> {
        let mut granted = self.provider.credentials.iter().filter_map(|shape| answer.tokens.get(&shape.name));
        granted.next().map(|tokens| &tokens.access).ok_or(CallError::Malformed("no access_token"))
    }

    async fn ask(&self, url: Url, access: &SecretString) -> Result<SecretJson, CallError> {
        let request = bearer(self.request(Method::GET, url)?, access)?;
        let reply = self.http.send(request).await?;
        let json = SecretJson::parse(&reply.body);
        match refusal(Place::Resource, &reply, json.as_ref(), &self.secrets(&[access])) {
            Some(error) => Err(error),
            None => json.ok_or(CallError::Malformed("not JSON")),
        }
    }
}

/// The answers that pointers point into.
struct Sources<'a> {
    userinfo: Option<&'a SecretJson>,
    token: &'a SecretJson,
}

impl<'a> Sources<'a> {
    fn at(&self, pointer: &str) -> Option<&'a Value> {
        match pointer.strip_prefix(IN_TOKEN_ANSWER) {
            Some(pointer) => self.token.at(pointer),
            None => self.userinfo?.at(pointer),
        }
    }

    /// The id, of all its parts; empty where one stands in a userinfo answer that the provider does not have.
    fn id(&self, pointers: &[String]) -> Result<String, CallError> {
        if self.userinfo.is_none() && pointers.iter().any(|pointer| !pointer.starts_with(IN_TOKEN_ANSWER)) {
            return Ok(String::new());
        }
        let parts: Option<Vec<String>> =
            pointers.iter().map(|pointer| self.at(pointer).and_then(id_text)).collect();
        parts.map(|parts| parts.join(":")).ok_or(CallError::Malformed("no account id"))
    }

    /// The address, unless the provider says beside it that nobody verified it (OpenID Connect Core, section 5.1):
    /// connections may come to belong to whoever has it.
    fn email(&self, pointer: &str) -> Option<String> {
        let text = self.at(pointer)?.as_str()?.trim();
        let beside = pointer.strip_suffix("/email").map(|parent| format!("{parent}/email_verified"));
        let unverified = beside.and_then(|pointer| self.at(&pointer)).is_some_and(|verified| {
            verified.as_bool() == Some(false)
                || verified.as_str().is_some_and(|text| text.eq_ignore_ascii_case("false"))
        });
        let plausible = text.len() <= MAX_EMAIL
            && text.contains('@')
            && !text.chars().any(|letter| letter.is_control() || letter.is_whitespace());
        (plausible && !unverified).then(|| text.to_owned())
    }
}

/// An id as text, in full or not at all: two accounts must never become one.
fn id_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let fits = !text.is_empty() && text.chars().count() <= MAX_TEXT;
    (fits && !text.chars().any(char::is_control)).then_some(text)
}

/// Text for people: in one line, cut to what is kept.
fn name_text(value: &Value) -> Option<String> {
    let text: String = value.as_str()?.chars().filter(|letter| !letter.is_control()).take(MAX_TEXT).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn site(shape: &SitesShape, item: &Value) -> Option<Site> {
    let id = id_text(item.pointer(&shape.id)?)?;
    let name = item.pointer(&shape.name).and_then(name_text).unwrap_or_else(|| id.clone());
    let address = shape.address.as_ref().and_then(|pointer| web_address(item.pointer(pointer)?));
    Some(Site { id, name, address })
}

/// An address that a page may link to.
fn web_address(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= MAX_TEXT)?;
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| text.to_owned())
}

#[cfg(test)]
#[path = "account_tests.rs"]
mod tests;
