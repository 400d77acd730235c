//! What somebody wants of a subscription, held against the rules.

use model::{EventPattern, PluginId, Violation};
use outbound::Client;
use url::Url;

use super::Scope;
use super::endpoint::check;

/// The most patterns of one subscription.
const MAX_TYPES: usize = 50;
/// The longest URL, in bytes.
const MAX_URL: usize = 2048;
/// The longest description, in characters.
const MAX_DESCRIPTION: usize = 500;
/// The longest name of a handler, in bytes.
const MAX_HANDLER: usize = 100;

/// What a new subscription is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// The patterns of the types that are wanted, 1 to 50.
    pub types: Vec<String>,
    /// Whose events.
    pub scope: Scope,
    /// The endpoint that gets them.
    pub endpoint: Option<String>,
    /// The handler that gets them, by its plugin's id and its name.
    pub handler: Option<(String, String)>,
    /// What it is for.
    pub description: Option<String>,
}

/// What is to be changed of a subscription; the rest stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Other patterns.
    pub types: Option<Vec<String>>,
    /// Another endpoint, for one that has an endpoint.
    pub endpoint: Option<String>,
    /// Another handler of the same plugin, for one that has a handler.
    pub handler: Option<String>,
    /// Another description; an empty one takes it away.
    pub description: Option<String>,
}

/// Collects what is wrong.
#[derive(Debug, Default)]
pub(super) struct Wrong(pub(super) Vec<Violation>);

impl Wrong {
    pub(super) fn note(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.0.push(Violation::new(pointer, detail));
    }

    pub(super) fn types(&mut self, texts: &[String]) -> Vec<EventPattern> {
        if texts.is_empty() || texts.len() > MAX_TYPES {
            self.note("/types", format!("must be 1 to {MAX_TYPES} patterns of event types"));
            return Vec::new();
        }
        let mut patterns: Vec<EventPattern> = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(pattern) if patterns.contains(&pattern) => {}
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.note(format!("/types/{index}"), error.to_string()),
            }
        }
        patterns
    }

    pub(super) fn endpoint(&mut self, text: &str, client: &Client) -> Option<Url> {
        let checked = if text.len() > MAX_URL {
            Err(format!("must have at most {MAX_URL} bytes"))
        } else {
            Url::parse(text).map_err(|_| "must be a URL that begins with https://".to_owned()).and_then(
                |mut url| {
                    url.set_fragment(None);
                    check(client, &url).map(|()| url)
                },
            )
        };
        checked.map_err(|detail| self.note("/endpoint/url", detail)).ok()
    }

    pub(super) fn plugin(&mut self, text: &str) -> Option<PluginId> {
        text.parse().map_err(|error: model::IdError| self.note("/handler/pluginId", error.to_string())).ok()
    }

    pub(super) fn handler(&mut self, text: &str) -> Option<String> {
        let is_name = !text.is_empty() && text.len() <= MAX_HANDLER && !text.chars().any(char::is_control);
        if !is_name {
            self.note(
                "/handler/handler",
                format!("must be the name of a handler, of 1 to {MAX_HANDLER} bytes"),
            );
        }
        is_name.then(|| text.to_owned())
    }

    pub(super) fn description(&mut self, text: Option<String>) -> Option<String> {
        let text = text.filter(|text| !text.is_empty())?;
        let is_fit = text.chars().count() <= MAX_DESCRIPTION && !text.contains('\0');
        if !is_fit {
            self.note("/description", format!("must have at most {MAX_DESCRIPTION} characters, and no null"));
        }
        is_fit.then_some(text)
    }
}
