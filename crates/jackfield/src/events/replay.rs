//! `jackfield events replay`: deliveries that have ended, once more.

use serde_json::{Map, Value, json};

use super::ReplayArgs;
use crate::cli::print;
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// Asks for one thousand after the other until there are no more, and tells how many there were.
pub(crate) async fn run(args: &ReplayArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut wanted = Map::new();
    let texts = [
        ("subscription", args.subscription.clone()),
        ("plugin", args.plugin.as_ref().map(ToString::to_string)),
        ("state", Some(args.state.clone())),
        ("from", args.from.clone()),
        ("to", args.to.clone()),
    ];
    wanted.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
    let mut replayed = 0;
    loop {
        let doing = format!("asking for deliveries, {replayed} so far");
        let body = Value::Object(wanted.clone());
        let answer = client.post(&["events", "deliveries", "replay"], &body, &doing).await?;
        replayed += answer.get("replayed").and_then(Value::as_u64).unwrap_or(0);
        match answer.get("next").and_then(Value::as_str) {
            Some(next) => wanted.insert("after".to_owned(), json!(next)),
            None => break,
        };
    }
    let text = if args.json {
        format!("{:#}\n", json!({"replayed": replayed}))
    } else {
        format!("{replayed} deliveries are made once more\n")
    };
    print(&text).map_err(Failure::Other)?;
    if replayed == 0 && !args.json {
        report::note("none has ended so: see GET /events/deliveries");
    }
    Ok(())
}
