//! Vendors' APIs as their own documents describe them: npm `@stoplight/prism-http`.

use std::path::PathBuf;
use std::process::Command;

use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use crate::node::install;
use crate::peer::{ask, client};
use crate::process::{Peer, folder};
use crate::script;

/// A vendor's API that refuses with 422 whatever its document does not allow, parameters and fields that it does not know
/// included, and answers all else with an example of what the document promises. Killed when dropped.
#[derive(Debug)]
pub struct Prism {
    _peer: Peer,
    base: String,
    log: String,
    client: Client,
}

/// A call that the API got.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Contracted {
    /// Its method.
    pub method: String,
    /// The path as the document has it: `/user/repos`; as it was called where the document has none.
    pub path: String,
    /// What the document does not allow of it.
    pub breaches: Vec<String>,
}

impl Prism {
    /// Starts the API of `vendor`: `bitbucket`, `calendar`, `drive`, `github`, `gmail`, `jira` or `slack`; takes one or two
    /// seconds. Paths begin below `below`, which may be empty. The documents are fetched at the first use.
    ///
    /// # Errors
    /// If Node, npm or Python are missing, the documents cannot be fetched, or it does not start.
    pub fn start(vendor: &str, below: &str) -> anyhow::Result<Self> {
        let folder = folder("vendors");
        install(&folder)?;
        let options = json!({"vendor": vendor, "documents": documents()?, "below": below});
        let mut node = Command::new("node");
        let node = node.arg("prism.mjs").arg(options.to_string()).current_dir(&folder);
        let peer = Peer::spawn("prism.mjs", node)?;
        Ok(Self { base: peer.fact("base")?, log: peer.fact("log")?, _peer: peer, client: client()? })
    }

    /// Where its paths begin.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// What it was asked so far, oldest first.
    ///
    /// # Errors
    /// If it is gone.
    pub async fn asked(&self) -> anyhow::Result<Vec<Contracted>> {
        Ok(serde_json::from_value(ask(self.client.get(&self.log)).await?)?)
    }
}

/// The folder of the documents; `scripts/vendor-documents` fetches them at the first use.
fn documents() -> anyhow::Result<PathBuf> {
    script::path("JACKFIELD_VENDOR_DOCUMENTS", &["vendor-documents"], "the vendors' documents, once fetched")
}
