//! `jackfield events tail`: events as they happen.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::TailArgs;
use crate::cli::print;
use crate::remote::Stream;
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// The pause before a stream is opened again.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a stream may be silent: the server says every 15 s that it is there.
const SILENCE: Duration = Duration::from_secs(45);

const FAINT: Style = Style::new().dimmed();

/// Prints what comes until it is interrupted.
pub(crate) async fn run(args: &TailArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    tokio::select! {
        ended = follow(&client, args) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

async fn follow(client: &Client, args: &TailArgs) -> Result<(), Failure> {
    let mut query = Vec::new();
    if !args.types.is_empty() {
        let types: Vec<&str> = args.types.iter().map(model::EventPattern::as_str).collect();
        query.push(("type", types.join(",")));
    }
    if args.platform {
        query.push(("scope", "platform".to_owned()));
    }
    let mut place = args.after.map(|after| after.to_string());
    let mut was_troubled = false;
    loop {
        let mut wanted = query.clone();
        wanted.extend(place.clone().map(|place| ("after", place)));
        match client.stream(&["events", "stream"], &wanted).await {
            Ok(mut stream) => {
                was_troubled = false;
                show(&mut stream, &mut place, args.json).await?;
            }
            Err(failure) if failure.may_pass() => {
                if !was_troubled {
                    report::note(&format!("events cannot be followed at the moment: {failure}"));
                }
                was_troubled = true;
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Prints what comes over a stream until it ends, and notes how far it came.
async fn show(stream: &mut Stream, place: &mut Option<String>, json: bool) -> Result<(), Failure> {
    while let Ok(Some(message)) = tokio::time::timeout(SILENCE, stream.next()).await {
        if !message.id.is_empty() {
            *place = Some(message.id.clone());
        }
        match message.event.as_str() {
            "reset" => {
                report::note(
                    "the log no longer has some of the events that were to be shown: it goes on with those there are",
                );
                let oldest = serde_json::from_str::<Value>(&message.data).ok();
                let oldest = oldest.as_ref().and_then(|reset| reset.get("oldest")).and_then(Value::as_str);
                *place = oldest.map(str::to_owned).or_else(|| place.take());
            }
            "" if !message.data.is_empty() => {
                if let Ok(event) = serde_json::from_str::<Value>(&message.data) {
                    let text = if json { line_of(event, &message.id) } else { text_of(&event) };
                    print(&text).map_err(Failure::Other)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn line_of(mut event: Value, place: &str) -> String {
    if let Some(members) = event.as_object_mut() {
        members.insert("place".to_owned(), json!(place));
    }
    format!("{event}\n")
}

fn text_of(event: &Value) -> String {
    let field = |name: &str| report::clean(event.get(name).and_then(Value::as_str).unwrap_or_default());
    let (at, kind, subject, source) = (field("time"), field("type"), field("subject"), field("source"));
    let style = if kind.starts_with("jackfield.") { AnsiColor::Blue } else { AnsiColor::Green }.on_default();
    let data = event.get("data").filter(|data| !data.is_null());
    let data = data.map(|data| format!("\n    {}", report::clean(&data.to_string()))).unwrap_or_default();
    let about = if subject.is_empty() { String::new() } else { format!(" {subject}") };
    format!("{FAINT}{at}{FAINT:#}  {style}{kind}{style:#}{about}  {FAINT}{source}{FAINT:#}{data}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_shown_without_what_moves_the_cursor() {
        let event = json!({
            "time": "2026-11-20T00:00:00Z", "type": "order.paid", "subject": "o\u{1b}[2J1", "source": "shop", "data": {"a": 1},
        });
        let text = anstream::adapter::strip_str(&text_of(&event)).to_string();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(
            text.starts_with("2026-11-20T00:00:00Z  order.paid o") && !text.contains('\u{1b}'),
            "{text:?}"
        );
    }

    #[test]
    fn a_line_has_its_place() {
        assert_eq!(line_of(json!({"id": "1"}), "42"), "{\"id\":\"1\",\"place\":\"42\"}\n");
    }
}
