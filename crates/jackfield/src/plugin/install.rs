//! `jackfield plugin install`: a published plugin for a tenant.

use serde_json::{Value, json};

use crate::cli::print;
use crate::plugin::InstallArgs;
use crate::plugin::client::Client;
use crate::plugin::publish::is_there_already;
use crate::plugin::report::{self, Failure};

/// What to install.
#[derive(Debug)]
pub(crate) struct Installation<'a> {
    /// The plugin's id.
    pub(crate) id: &'a str,
    /// The version; without it, the server chooses.
    pub(crate) version: Option<&'a str>,
    /// Whether it is as well if the plugin is installed.
    pub(crate) if_new: bool,
}

/// Installs and prints.
pub(crate) async fn run(args: &InstallArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let wanted = Installation { id: args.id.as_str(), version: args.version.as_deref(), if_new: args.if_new };
    install(&client, &wanted).await
}

/// Installs by `client`, and prints.
pub(crate) async fn install(client: &Client, wanted: &Installation<'_>) -> Result<(), Failure> {
    let mut body = json!({"pluginId": wanted.id});
    if let (Some(version), Value::Object(fields)) = (wanted.version, &mut body) {
        fields.insert("version".to_owned(), version.into());
    }
    match client.post(&["plugins", "install"], &body, &format!("installing {}", wanted.id)).await {
        Ok(installed) => Ok(print(&told(wanted.id, &installed))?),
        Err(Failure::Problem(problem)) if wanted.if_new && is_there_already(&problem.code) => {
            report::note(&format!("{} is installed already", wanted.id));
            Ok(())
        }
        Err(other) => Err(other),
    }
}

fn told(id: &str, installed: &Value) -> String {
    let text = |key: &str| installed.get(key).and_then(Value::as_str);
    let version = text("version").map(|version| format!(" {version}")).unwrap_or_default();
    let tenant = text("tenantId").map(|tenant| format!(" for {tenant}")).unwrap_or_default();
    report::clean(&format!("installed {id}{version}{tenant}\n"))
}
