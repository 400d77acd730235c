//! `jackfield plugin install`: a published plugin for a tenant.

use model::ErrorCode;
use serde_json::{Value, json};

use crate::cli::print;
use crate::plugin::InstallArgs;
use crate::plugin::publish::is_there_already;
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// What to install.
#[derive(Debug)]
pub(crate) struct Installation<'a> {
    /// The plugin's id.
    pub(crate) id: &'a str,
    /// The version; without it, the server chooses.
    pub(crate) version: Option<&'a str>,
    /// Whether it is as well if the plugin is installed.
    pub(crate) if_new: bool,
    /// Whether an installed plugin moves to the version.
    pub(crate) upgrade: bool,
}

/// Installs and prints.
pub(crate) async fn run(args: &InstallArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let wanted = Installation {
        id: args.id.as_str(),
        version: args.version.as_deref(),
        if_new: args.if_new,
        upgrade: args.upgrade,
    };
    install(&client, &wanted).await
}

/// Moves the tenant's installation to a version, or makes one, with consent to all that the version asks for: `asked`, as
/// the server tells it of a plugin.
pub(crate) async fn move_to(
    client: &Client,
    (id, version): (&str, &str),
    asked: Option<&Value>,
) -> Result<Value, Failure> {
    let body = body(id, version, asked);
    let doing = format!("installing {id} {version}");
    match client.post(&["plugins", "upgrade"], &body, &doing).await {
        Err(Failure::Problem(problem)) if problem.code == ErrorCode::NotFound.as_str() => {
            client.post(&["plugins", "install"], &body, &doing).await
        }
        answer => answer,
    }
}

/// What a consent allows, for people; `None` if nothing.
pub(crate) fn told_consent(asked: &Value) -> Option<String> {
    let told = |(name, list): (&String, &Value)| {
        let each =
            list.as_array()?.iter().map(|each| each.as_str().map_or_else(|| each.to_string(), str::to_owned));
        let all = each.collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| format!("{name}: {all}"))
    };
    let told: Vec<String> = asked.as_object()?.iter().filter_map(told).collect();
    (!told.is_empty()).then(|| format!("consented to {}", told.join("; ")))
}

/// Installs, or moves to, the version that is wanted or the current one, and prints; also what that consents to.
pub(crate) async fn install(client: &Client, wanted: &Installation<'_>) -> Result<(), Failure> {
    let plugin = client.get(&["plugins", wanted.id], &format!("looking at {}", wanted.id)).await?;
    let current = plugin.get("version").and_then(Value::as_str).unwrap_or_default();
    let version = wanted.version.unwrap_or(current);
    // Of another version than the current one it is not told before it is installed; an upgrade that widens is refused then.
    let asked = plugin.get("grants").filter(|_| version == current);
    let done = if wanted.upgrade {
        move_to(client, (wanted.id, version), asked).await
    } else {
        let doing = format!("installing {}", wanted.id);
        client.post(&["plugins", "install"], &body(wanted.id, version, asked), &doing).await
    };
    match done {
        Ok(installed) => {
            if let Some(consent) = asked.or_else(|| installed.get("grants")).and_then(told_consent) {
                report::note(&consent);
            }
            Ok(print(&told(wanted.id, &installed))?)
        }
        Err(Failure::Problem(problem)) if wanted.if_new && is_there_already(&problem.code) => {
            report::note(&format!("{} is installed already", wanted.id));
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// What is asked of the server: a version, with consent to what it asks for, as far as that is known.
fn body(id: &str, version: &str, asked: Option<&Value>) -> Value {
    let mut body = json!({"pluginId": id, "version": version});
    if let (Some(asked), Value::Object(fields)) = (asked, &mut body) {
        fields.insert("consent".to_owned(), asked.clone());
    }
    body
}

fn told(id: &str, installed: &Value) -> String {
    let text = |key: &str| installed.get(key).and_then(Value::as_str);
    let version = text("version").map(|version| format!(" {version}")).unwrap_or_default();
    let tenant = text("tenantId").map(|tenant| format!(" for {tenant}")).unwrap_or_default();
    report::clean(&format!("installed {id}{version}{tenant}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_is_told_in_full() {
        let asked = json!({
            "permissions": [], "hosts": ["a.example", "b.example"], "secrets": ["key"],
            "connections": [{"connector": "gmail", "access": "read"}],
        });
        let told = told_consent(&asked).unwrap();
        assert_eq!(
            told,
            "consented to hosts: a.example, b.example; secrets: key; connections: {\"connector\":\"gmail\",\"access\":\"read\"}"
        );
        assert_eq!(told_consent(&json!({"hosts": []})), None);
        assert_eq!(told_consent(&Value::Null), None);
    }
}
