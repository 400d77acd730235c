//! `ctx.connections`: what users have connected elsewhere, by the operations of the unified API. A plugin reaches what was
//! consented to: the caller's own connections, or those of anybody in the tenant, for looking or for changing too.

use connectors::Asker;
use registry::{Access, ConnectionAsk, Whose};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::argument::read;
use crate::invocation::{Invocation, shown};

/// How many operations one call may do.
const MAX_OPERATIONS: u32 = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    connector: String,
    operation: String,
    user: Option<String>,
    #[serde(default)]
    arguments: Map<String, Value>,
}

/// What an operation needs; `None` where there is no such operation.
fn access_of(operation: &str) -> Option<Access> {
    match operation {
        "list" | "get" | "search" | "channels" | "messages" | "projects" | "issues" => Some(Access::Read),
        "create" | "update" | "delete" | "send" => Some(Access::Write),
        _ => None,
    }
}

/// Does an operation of a connector.
pub(super) async fn call(call: &Invocation, argument: &str) -> Result<String, String> {
    let Call { connector, operation, user, arguments } = read("connections.call", argument)?;
    let needed = access_of(&operation).ok_or_else(|| {
        format!(
            "there is no operation {} of connections: there are list, get, search, create, update, delete, channels, \
             messages, send, projects and issues",
            shown(&operation)
        )
    })?;
    let unified = &call.shared.unified;
    let id = unified
        .canonical(&connector)
        .ok_or_else(|| format!("there is no connector {}", shown(&connector)))?;
    let grants = call.deployment.grants.connections.iter();
    let granted: Vec<&ConnectionAsk> =
        grants.filter(|ask| unified.canonical(&ask.connector) == Some(id)).collect();
    let whose = permitted(&granted, id, needed)?;
    let user_email = user_of(call, (id, needed), whose, user.as_deref())?;
    call.used.connections.take(MAX_OPERATIONS, "operations of connections")?;
    let asker = Asker {
        tenant: call.deployment.tenant.clone(),
        actor: format!("plugin:{}", call.deployment.plugin),
        user_email,
        connection: None,
    };
    let done = unified.call(&asker, id, &operation, arguments).await;
    done.map(|result| result.to_string()).map_err(|error| format!("{}: {}", error.code, error.detail))
}

/// Whose connections may be used for what is needed: the widest that was consented to.
fn permitted(granted: &[&ConnectionAsk], connector: &str, needed: Access) -> Result<Whose, String> {
    let whose = granted.iter().filter(|ask| ask.access >= needed).map(|ask| ask.whose).max();
    whose.ok_or_else(|| {
        let add = match needed {
            Access::Read => format!("\"{connector}\""),
            Access::Write => format!("{{\"connector\": \"{connector}\", \"access\": \"write\"}}"),
        };
        let what = match needed {
            Access::Read => "use",
            Access::Write => "change anything with",
        };
        format!(
            "the plugin may not {what} the connector {connector}: add {add} to connections in the manifest, and have an \
             admin consent to it"
        )
    })
}

/// The address of the user whose connection is meant. Empty where only one of the tenant itself can be.
fn user_of(
    call: &Invocation,
    (connector, needed): (&str, Access),
    whose: Whose,
    named: Option<&str>,
) -> Result<String, String> {
    let own = call.who.user.as_ref().map(|user| user.email.clone().unwrap_or_default());
    let named = named.filter(|named| !named.is_empty());
    let named = named.map(connections::user_email).transpose().map_err(|violation| violation.detail)?;
    match (whose, named, own) {
        (Whose::Tenant, Some(named), _) => Ok(named),
        (Whose::Tenant, None, own) => Ok(own.unwrap_or_default()),
        (Whose::Caller, None, Some(own)) => Ok(own),
        (Whose::Caller, Some(named), Some(own)) if named == own => Ok(named),
        (Whose::Caller, _, own) => {
            let access = match needed {
                Access::Read => "read",
                Access::Write => "write",
            };
            let why = match own {
                Some(_) => "the plugin may use connections of the user who calls it alone",
                None => "no user calls the plugin now, and it may use connections of the user who does alone",
            };
            Err(format!(
                "{why}: for others add {{\"connector\": \"{connector}\", \"access\": \"{access}\", \"whose\": \"tenant\"}} to \
                 connections in the manifest, and have an admin consent to it"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(access: Access, whose: Whose) -> ConnectionAsk {
        ConnectionAsk { connector: "notes".into(), access, whose }
    }

    #[test]
    fn what_was_consented_to_for_looking_is_not_for_changing() {
        let (read, write) = (ask(Access::Read, Whose::Tenant), ask(Access::Write, Whose::Caller));
        assert_eq!(permitted(&[&read, &write], "notes", Access::Read), Ok(Whose::Tenant));
        assert_eq!(permitted(&[&read, &write], "notes", Access::Write), Ok(Whose::Caller));
        let error = permitted(&[&read], "notes", Access::Write).unwrap_err();
        assert!(error.contains(r#"add {"connector": "notes", "access": "write"} to connections"#), "{error}");
        assert!(permitted(&[], "notes", Access::Read).unwrap_err().contains("add \"notes\" to connections"));
    }

    #[test]
    fn every_operation_either_looks_or_changes() {
        for operation in ["list", "get", "search", "channels", "messages", "projects", "issues"] {
            assert_eq!(access_of(operation), Some(Access::Read), "{operation}");
        }
        for operation in ["create", "update", "delete", "send"] {
            assert_eq!(access_of(operation), Some(Access::Write), "{operation}");
        }
        assert_eq!(access_of("raw"), None);
    }
}
