//! `jackfield events tail`: events as they happen.

use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use super::TailArgs;
use crate::cli::print;
use crate::remote::Stream;
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// The pause before a stream is opened again, which doubles with each that does not last, and the longest, also where the server asks
/// for a longer one.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_ASKED: Duration = Duration::from_mins(5);

/// How long a stream lasts that is none of those.
const STEADY: Duration = Duration::from_secs(10);

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
    // How many, one after the other, have not lasted.
    let mut failures = 0;
    loop {
        let mut wanted = query.clone();
        wanted.extend(place.clone().map(|place| ("after", place)));
        let mut asked = None;
        match client.stream(&["events", "stream"], &wanted).await {
            Ok(mut stream) => {
                was_troubled = false;
                let began = Instant::now();
                show(&mut stream, &mut place, args.json).await?;
                if began.elapsed() >= STEADY {
                    failures = 0;
                }
            }
            Err(failure) if failure.may_pass() => {
                if !was_troubled {
                    report::note(&format!("events cannot be followed at the moment: {failure}"));
                }
                was_troubled = true;
                asked = failure.retry_after();
            }
            Err(failure) => return Err(failure),
        }
        tokio::time::sleep(pause(failures, asked, |longest| client.spread(longest))).await;
        failures += 1;
    }
}

/// How long to wait after so many streams that have not lasted: not before the server wants it, and not all at once.
fn pause(failures: u32, asked: Option<Duration>, spread: impl Fn(Duration) -> Duration) -> Duration {
    let own = PAUSE.saturating_mul(2_u32.saturating_pow(failures)).min(LONGEST_PAUSE);
    asked.unwrap_or_default().min(LONGEST_ASKED) + spread(own)
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
    fn pauses_grow_to_a_bound_and_are_not_shorter_than_what_the_server_asks() {
        let pauses: Vec<u64> =
            (0..8).map(|failures| pause(failures, None, |longest| longest).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
        assert_eq!(pause(u32::MAX, None, |longest| longest), LONGEST_PAUSE);
        let asked = |seconds| pause(0, Some(Duration::from_secs(seconds)), |longest| longest / 2);
        assert_eq!(asked(30), Duration::from_millis(30_500));
        assert_eq!(asked(86_400), LONGEST_ASKED + PAUSE / 2);
    }

    #[test]
    fn a_line_has_its_place() {
        assert_eq!(line_of(json!({"id": "1"}), "42"), "{\"id\":\"1\",\"place\":\"42\"}\n");
    }
}
