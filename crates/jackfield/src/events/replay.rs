//! `jackfield events replay`: deliveries that have ended, once more.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::ReplayArgs;
use crate::cli::print;
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// How long to wait where as many wait for the receiver as may, if the server does not say.
const PAUSE: Duration = Duration::from_secs(10);
/// For how long it may take none before this gives up.
const PATIENCE: Duration = Duration::from_mins(30);

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
        ("after", args.after.clone()),
    ];
    wanted.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
    let (mut replayed, mut progressed) = (0, Instant::now());
    loop {
        let doing = format!("asking for deliveries, {replayed} so far");
        let body = Value::Object(wanted.clone());
        let answer = match client.post(&["events", "deliveries", "replay"], &body, &doing).await {
            Ok(answer) => answer,
            Err(failure) if failure.is_too_much() && progressed.elapsed() < PATIENCE => {
                let pause = failure.retry_after().unwrap_or(PAUSE).min(PATIENCE);
                report::note(&format!("{failure}; going on in {} s, {replayed} so far", pause.as_secs()));
                tokio::time::sleep(pause + client.spread(Duration::from_secs(1))).await;
                continue;
            }
            Err(failure) => {
                let after = wanted.get("after").and_then(Value::as_str);
                let after = after.map(|after| format!("; go on with --after {after}")).unwrap_or_default();
                report::note(&format!("{replayed} deliveries were asked for before it failed{after}"));
                return Err(failure);
            }
        };
        progressed = Instant::now();
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
