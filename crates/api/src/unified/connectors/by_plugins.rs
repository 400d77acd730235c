//! Operations of connectors for plugins' backends: the same arguments and the same results as over HTTP.

use std::iter;

use ::connectors::communication::{Conversation, NewMessage};
use ::connectors::{Asker, Connectors};
use async_trait::async_trait;
use model::ErrorCode;
use runtime::{Unified, UnifiedError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::AnswerBody;
use super::body::{ItemAnswerBody, PageBody};
use super::communication::{ChannelBody, ChannelPage, MessageResult, message_page};
use super::parameters::{Parameters, said, take};
use super::plan::{ProjectBody, ProjectPage};
use super::project::issue_page;
use crate::problem::Problem;

/// The connectors as plugins' backends use them.
#[derive(Debug, Clone)]
pub struct ForPlugins(Connectors);

impl ForPlugins {
    /// Those of `connectors`.
    pub const fn new(connectors: Connectors) -> Self {
        Self(connectors)
    }

    async fn run(
        &self,
        asker: Asker,
        connector: &str,
        operation: &str,
        arguments: Arguments,
    ) -> Result<Value, Problem> {
        match operation {
            "list" | "search" | "channels" | "messages" | "projects" | "issues" => {
                self.page(asker, connector, operation, arguments).await
            }
            "send" => self.send(asker, connector, arguments).await,
            _ => self.item(asker, connector, operation, arguments).await,
        }
    }

    async fn page(
        &self,
        mut asker: Asker,
        connector: &str,
        operation: &str,
        mut arguments: Arguments,
    ) -> Result<Value, Problem> {
        let (channel, project) = match operation {
            "messages" => (arguments.text("channel")?, String::new()),
            "issues" => (String::new(), arguments.text("project")?),
            _ => Default::default(),
        };
        let mut pairs = arguments.pairs()?;
        let thread = if operation == "messages" { take("thread", &mut pairs)? } else { None };
        asker.connection = take("connection_id", &mut pairs)?;
        if pairs.iter().any(|(name, _)| name == "user_email") {
            return Err(invalid("whose connection is meant is said by connections.get(connector, {user})"));
        }
        let Parameters { wanted, query, .. } = Parameters::take(pairs, operation == "search")?;
        let connectors = &self.0;
        match operation {
            "list" => result(&PageBody::from(connectors.list_items(&asker, connector, &wanted).await?)),
            "search" => {
                let query = query.filter(|query| !query.trim().is_empty());
                let query = query.ok_or_else(|| invalid("query must say what to look for"))?;
                result(&PageBody::from(connectors.search(&asker, connector, &query, &wanted).await?))
            }
            "channels" => {
                let listed = connectors.channels(&asker, connector, &wanted).await?;
                result(&AnswerBody::new(listed, |page, _| ChannelPage::of(page, ChannelBody::from)))
            }
            "messages" => {
                let of = Conversation { channel, thread };
                let listed = connectors.messages(&asker, connector, &of, &wanted).await?;
                result(&AnswerBody::new(listed, message_page))
            }
            "projects" => {
                let listed = connectors.projects(&asker, connector, &wanted).await?;
                result(&AnswerBody::new(listed, |page, _| ProjectPage::of(page, ProjectBody::from)))
            }
            _ => {
                let listed = connectors.issues(&asker, connector, &project, &wanted).await?;
                result(&AnswerBody::new(listed, issue_page))
            }
        }
    }

    async fn send(
        &self,
        mut asker: Asker,
        connector: &str,
        mut arguments: Arguments,
    ) -> Result<Value, Problem> {
        asker.connection = arguments.optional("connection_id")?;
        let (channel, text) = (arguments.text("channel")?, arguments.text("text")?);
        said("/text", &text)?;
        let thread = arguments.optional("thread")?;
        arguments.end()?;
        let message = NewMessage { to: Conversation { channel, thread }, text };
        let sent = self.0.send_message(&asker, connector, &message).await?;
        result(&AnswerBody::of_item(sent, MessageResult::new))
    }

    async fn item(
        &self,
        mut asker: Asker,
        connector: &str,
        operation: &str,
        mut arguments: Arguments,
    ) -> Result<Value, Problem> {
        asker.connection = arguments.optional("connection_id")?;
        let id = if operation == "create" { String::new() } else { arguments.text("id")? };
        let body = match operation {
            "create" | "update" => arguments.object("body")?,
            _ => Map::new(),
        };
        let raw = arguments.flag("raw")?;
        arguments.end()?;
        let connectors = &self.0;
        match operation {
            "get" => result(&ItemAnswerBody::from(connectors.item(&asker, connector, &id, raw).await?)),
            "create" => result(&ItemAnswerBody::from(connectors.create(&asker, connector, &body).await?)),
            "update" => {
                result(&ItemAnswerBody::from(connectors.update(&asker, connector, &id, &body).await?))
            }
            "delete" => {
                connectors.delete(&asker, connector, &id).await?;
                Ok(json!({"deleted": true}))
            }
            _ => Err(invalid("there is no such operation")),
        }
    }
}

#[async_trait]
impl Unified for ForPlugins {
    async fn call(
        &self,
        asker: &Asker,
        connector: &str,
        operation: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, UnifiedError> {
        let done = self.run(asker.clone(), connector, operation, Arguments(arguments)).await;
        done.map_err(|problem| {
            let violations =
                problem.violations().iter().map(|each| format!("{}: {}", each.pointer, each.detail));
            let sentences: Vec<String> = iter::once(problem.detail().to_owned()).chain(violations).collect();
            UnifiedError { code: problem.code(), detail: sentences.join("; ") }
        })
    }

    fn canonical(&self, name: &str) -> Option<&'static str> {
        self.0.get(name).ok().map(|connector| connector.description().id)
    }
}

/// The `result` of an answer.
fn result(answer: &impl Serialize) -> Result<Value, Problem> {
    let unwritable = |error: serde_json::Error| Problem::new(ErrorCode::Internal, error.to_string());
    let mut whole = serde_json::to_value(answer).map_err(unwritable)?;
    Ok(whole.get_mut("result").map(Value::take).unwrap_or_default())
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

/// What an operation is called with.
struct Arguments(Map<String, Value>);

impl Arguments {
    fn optional(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(_) => Err(invalid(format!("{name} must be a text"))),
        }
    }

    fn text(&mut self, name: &str) -> Result<String, Problem> {
        self.optional(name)?.ok_or_else(|| invalid(format!("{name} must be given")))
    }

    fn object(&mut self, name: &str) -> Result<Map<String, Value>, Problem> {
        match self.0.shift_remove(name) {
            Some(Value::Object(object)) => Ok(object),
            _ => Err(invalid(format!("{name} must be an object"))),
        }
    }

    fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.0.shift_remove(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(invalid(format!("{name} must be true or false"))),
        }
    }

    /// Refuses what is left.
    fn end(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => {
                let name: String = name.chars().take(64).collect();
                Err(invalid(format!("there is no argument {name} of this operation")))
            }
        }
    }

    /// All of them as the parameters of a query.
    fn pairs(self) -> Result<Vec<(String, String)>, Problem> {
        let pairs =
            self.0.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
                Value::String(text) => Ok((name, text)),
                Value::Number(number) => Ok((name, number.to_string())),
                Value::Bool(flag) => Ok((name, flag.to_string())),
                _ => Err(invalid(format!(
                    "{} must be a text, a number or true or false",
                    name.chars().take(64).collect::<String>()
                ))),
            });
        pairs.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(value: &Value) -> Arguments {
        Arguments(value.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn arguments_are_taken_as_they_are_meant() {
        let mut given = arguments(&json!({"id": 7, "body": {"a": 1}, "raw": true, "thread": ""}));
        assert_eq!(given.text("id").map_err(|problem| problem.detail().to_owned()), Ok("7".to_owned()));
        assert!(given.object("body").is_ok_and(|body| body.len() == 1));
        assert!(given.flag("raw").is_ok_and(|raw| raw));
        assert!(given.optional("thread").is_ok_and(|thread| thread.is_none()));
        assert!(given.end().is_ok());
        assert!(arguments(&json!({"idd": 1})).end().is_err_and(|problem| problem.detail().contains("idd")));
        assert!(arguments(&json!({})).text("id").is_err());
        assert!(arguments(&json!({"body": []})).object("body").is_err());
    }

    #[test]
    fn filters_become_parameters() {
        let pairs =
            arguments(&json!({"max_results": 7, "label": "a b", "raw": true, "folder": null})).pairs();
        let expected = [("max_results", "7"), ("label", "a b"), ("raw", "true")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(pairs.is_ok_and(|pairs| pairs == expected));
        assert!(arguments(&json!({"label": ["a"]})).pairs().is_err());
    }
}
