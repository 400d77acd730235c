//! `jackfield webhooks send`: one signed webhook.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use events::webhook::scheme::{At, Proof, Scheme, builtin};
use events::webhook::{Manifest, scheme};
use model::{Ambient, new_id};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::SendArgs;
use crate::cli::print;
use crate::remote::client::{Client, Sent};
use crate::remote::report::{self, Failure};

/// Asks for the address, signs, sends, and tells what the sender is told.
pub(crate) async fn run(args: &SendArgs) -> Result<(), Failure> {
    let (client, ambient) = (Client::new(&args.server)?, Ambient::system());
    let body = body(args)?;
    let path = ["plugins", args.plugin.as_str(), "webhook-url"];
    let address = client.get(&path, "asking where the plugin takes webhooks").await?;
    let text = |name: &str| address.get(name).and_then(Value::as_str).unwrap_or_default();
    let scheme = scheme(args.manifest.as_deref(), text("scheme"))?;
    let secret = match (&args.secret, &scheme.proof) {
        (Some(secret), _) => secret.clone(),
        (None, Proof::Address) => SecretString::default(),
        (None, _) => {
            let detail = "the plugin's webhooks are signed: set JACKFIELD_WEBHOOK_SECRET to the secret in its configuration";
            return Err(Failure::Usage(detail.to_owned()));
        }
    };
    if args.id.is_some() {
        takes_id(&scheme)?;
    }
    let id = args.id.clone().unwrap_or_else(|| new_id(&ambient));
    let signed = scheme.sign(&secret, &body, (&id, ambient.now()));
    let mut headers = signed.map_err(|error| Failure::Usage(error.to_string()))?;
    headers.push(("content-type".to_owned(), args.content_type.clone()));
    let id = id_that_counts(&scheme, &headers, &body);
    let sent = client.send_to(text("url"), &headers, body).await?;
    print(&told(&sent, id.as_deref(), args.json)).map_err(Failure::Other)?;
    if (200..300).contains(&sent.status) {
        return Ok(());
    }
    Err(Failure::Other(anyhow::anyhow!("the webhook was not taken")))
}

fn body(args: &SendArgs) -> Result<Vec<u8>, Failure> {
    let Some(file) = &args.file else { return Ok(args.data.clone().unwrap_or_default().into_bytes()) };
    let mut body = Vec::new();
    if file == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut body).context("standard input cannot be read")?;
    } else {
        body = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    }
    Ok(body)
}

/// The scheme of this name, or the one that the manifest describes.
fn scheme(manifest: Option<&Path>, name: &str) -> Result<Scheme, Failure> {
    if let Some(path) = manifest {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        let manifest: Value =
            serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
        let webhook = manifest.get("webhook").unwrap_or(&Value::Null);
        let read = Manifest::from_json(webhook).map_err(|wrong| {
            let wrong: Vec<String> =
                wrong.iter().map(|each| format!("/webhook{} {}", each.pointer, each.detail)).collect();
            Failure::Usage(format!("{}: {}", path.display(), wrong.join("; ")))
        })?;
        return Ok(read.scheme);
    }
    scheme::builtin::find(name).cloned().ok_or_else(|| {
        let known: Vec<&str> = builtin::BUILTIN.iter().map(|scheme| scheme.name.as_ref()).collect();
        let detail = format!(
            "the plugin's scheme is {name}, which its manifest describes: give --manifest with its plugin.json; known by name are {}",
            known.join(", ")
        );
        Failure::Usage(detail)
    })
}

/// Whether the id of a webhook of this scheme is a header, which is this program's to write.
fn takes_id(scheme: &Scheme) -> Result<(), Failure> {
    if scheme.id.iter().any(|at| matches!(at, At::Header(_))) {
        return Ok(());
    }
    let name = &scheme.name;
    let detail = match scheme.id.first() {
        Some(At::Body(pointer)) => {
            format!(
                "--id has no effect: webhooks of the scheme {name} have their id in the body, at {pointer}"
            )
        }
        _ => format!("--id has no effect: webhooks of the scheme {name} have none"),
    };
    Err(Failure::Usage(detail))
}

/// The id by which the server tells the webhook from others; `None` where it does so by what was signed.
fn id_that_counts(scheme: &Scheme, headers: &[(String, String)], body: &[u8]) -> Option<String> {
    let body = serde_json::from_slice::<Value>(body).unwrap_or_default();
    scheme.id.iter().find_map(|at| match at {
        At::Header(name) => {
            headers.iter().find(|(known, _)| known == name.as_ref()).map(|(_, value)| value.clone())
        }
        At::Body(pointer) => match body.pointer(pointer)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        },
    })
}

fn told(sent: &Sent, id: Option<&str>, json: bool) -> String {
    if json {
        return format!("{:#}\n", json!({"id": id, "status": sent.status, "body": sent.body}));
    }
    let body = report::clean(&sent.body);
    let body = if body.trim().is_empty() { String::new() } else { format!("\n{}", body.trim_end()) };
    let of = id.map(|id| format!(" for {}", report::clean(id))).unwrap_or_default();
    format!("{}{of}{body}\n", sent.status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_that_counts_is_where_the_scheme_has_it() {
        let headers = [("webhook-id".to_owned(), "msg_1".to_owned())];
        for (name, takes, id) in [
            ("standard", true, Some("msg_1")),
            ("stripe", false, Some("evt_1")),
            ("slack", false, None),
            ("none", false, None),
        ] {
            let scheme = builtin::find(name).unwrap();
            assert_eq!(takes_id(scheme).is_ok(), takes, "{name}");
            assert_eq!(id_that_counts(scheme, &headers, br#"{"id": "evt_1"}"#).as_deref(), id, "{name}");
        }
        let refused = takes_id(builtin::find("slack").unwrap()).unwrap_err().to_string();
        assert!(refused.contains("/event_id"), "{refused}");
    }
}
