//! `jackfield plugin logs`: what a plugin's backend has written.

use std::io::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use serde_json::{Value, json};

use crate::plugin::LogsArgs;
use crate::remote::client::Client;
use crate::remote::report::{self, Failure};

/// How often new lines are asked for.
const EVERY: Duration = Duration::from_secs(1);
/// How often after the server was not reached.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// The most lines of one answer; as many as a server keeps.
const PAGE: u32 = 1000;

/// The place before all lines.
const BEGINNING: i64 = 0;

const FAINT: Style = Style::new().dimmed();

/// Which lines are wanted, of which plugin.
#[derive(Debug, Clone)]
pub(crate) struct Follow {
    id: String,
    level: Option<String>,
    /// The place in the log after which it goes on.
    after: Option<i64>,
    is_troubled: bool,
}

/// How lines are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// For people.
    Text,
    /// One JSON document a line.
    Json,
}

/// Prints what there is, and what comes.
pub(crate) async fn run(args: &LogsArgs) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let shown = if args.json { Shown::Json } else { Shown::Text };
    let mut follow = Follow { level: args.level.clone(), ..Follow::new(args.id.as_str()) };
    let first = follow.ask(&client, args.limit).await;
    let first = if args.follow { follow.settled(first)? } else { first? };
    first.iter().try_for_each(|line| print_line(line, shown))?;
    if !args.follow {
        return Ok(());
    }
    // What comes after nothing is everything.
    follow.after.get_or_insert(BEGINNING);
    tokio::select! {
        ended = follow.print_all(&client, shown) => ended,
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

impl Follow {
    /// The lines of a plugin.
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.to_owned(), level: None, after: None, is_troubled: false }
    }

    /// Leaves out what is there already. Where the plugin is not installed yet, all that it will write is new.
    pub(crate) async fn skip(&mut self, client: &Client) {
        // What is wrong with the server will be told by what comes next.
        let _ = self.ask(client, 1).await;
        self.after.get_or_insert(BEGINNING);
    }

    /// Prints the lines that come; ends with an error that will not pass.
    async fn print_all(&mut self, client: &Client, shown: Shown) -> Result<(), Failure> {
        loop {
            self.print_next(client, shown).await?;
        }
    }

    /// Waits a moment, and prints the lines that have come.
    pub(crate) async fn print_next(&mut self, client: &Client, shown: Shown) -> Result<(), Failure> {
        tokio::time::sleep(if self.is_troubled { AFTER_TROUBLE } else { EVERY }).await;
        let asked = self.ask(client, PAGE).await;
        self.settled(asked)?.iter().try_for_each(|line| print_line(line, shown))
    }

    /// The lines of an answer; none where it can be had later: when the server can be reached and has time, and when the plugin
    /// is installed.
    fn settled(&mut self, asked: Result<Vec<Value>, Failure>) -> Result<Vec<Value>, Failure> {
        match asked {
            Err(failure) if failure.may_pass() => {
                if !self.is_troubled {
                    report::note(&format!("the log cannot be read at the moment: {failure}"));
                }
                self.is_troubled = true;
                Ok(Vec::new())
            }
            Err(failure) if failure.is_not_found() => {
                self.is_troubled = false;
                Ok(Vec::new())
            }
            asked => {
                self.is_troubled = false;
                asked
            }
        }
    }

    /// The newest lines, or those after the place that was reached.
    async fn ask(&mut self, client: &Client, limit: u32) -> Result<Vec<Value>, Failure> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(self.level.clone().map(|level| ("level", level)));
        query.extend(self.after.map(|after| ("after", after.to_string())));
        let path = ["plugins", &self.id, "logs"];
        let answer = client.get_where(&path, &query, "reading the log").await?;
        let (lines, next) = page(answer)?;
        self.after = next.or(self.after);
        Ok(lines)
    }
}

/// The lines of an answer, and where it goes on.
fn page(answer: Value) -> Result<(Vec<Value>, Option<i64>), Failure> {
    let Value::Object(mut answer) = answer else { return Err(not_a_log()) };
    let next = answer.get("next").and_then(Value::as_i64);
    match answer.remove("lines") {
        Some(Value::Array(lines)) => Ok((lines, next)),
        _ => Err(not_a_log()),
    }
}

fn not_a_log() -> Failure {
    Failure::Other(anyhow::anyhow!("the server's answer is no log: is it a newer or an older Jackfield?"))
}

/// Prints one line to standard output; colours on a terminal alone.
fn print_line(line: &Value, shown: Shown) -> Result<(), Failure> {
    let text = match shown {
        Shown::Text => text_of(line),
        Shown::Json => json_of(line).to_string() + "\n",
    };
    match anstream::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("cannot print")?,
        _ => Ok(()),
    }
}

fn json_of(line: &Value) -> Value {
    let mut document = json!({"event": "log"});
    if let (Value::Object(document), Value::Object(line)) = (&mut document, line) {
        document.extend(line.clone());
    }
    document
}

fn text_of(line: &Value) -> String {
    let field = |name: &str| report::clean(line.get(name).and_then(Value::as_str).unwrap_or_default());
    let (at, level, handler) = (field("at"), field("level"), field("handler"));
    let style = match level.as_str() {
        "error" => AnsiColor::Red.on_default().bold(),
        "warn" => AnsiColor::Yellow.on_default().bold(),
        "debug" => FAINT,
        _ => AnsiColor::Green.on_default(),
    };
    let handler = if handler.is_empty() { String::new() } else { format!("{FAINT}{handler}{FAINT:#}  ") };
    // What follows on lines of its own, a stack say, is told from the next line of the log.
    let message = field("message").replace('\n', "\n    ");
    let word = level.to_uppercase();
    format!("{FAINT}{at}{FAINT:#}  {style}{word:<5}{style:#}  {handler}{message}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::report::Problem;

    fn plain(line: &Value) -> String {
        anstream::adapter::strip_str(&text_of(line)).to_string()
    }

    #[test]
    fn a_log_ends_with_what_will_not_pass_alone() {
        let refused = |status| {
            Err(Failure::from(Problem { status: Some(status), detail: "no".into(), ..Problem::default() }))
        };
        let mut follow = Follow::new("card");
        for status in [429, 502, 503, 500, 504] {
            assert_eq!(follow.settled(refused(status)).unwrap(), Vec::<Value>::new(), "{status}");
            assert!(follow.is_troubled, "{status}");
        }
        assert_eq!(follow.settled(refused(404)).unwrap(), Vec::<Value>::new());
        assert!(!follow.is_troubled, "nobody has installed it yet");
        let unreached = Err(Failure::Other(anyhow::anyhow!("connection refused")));
        assert_eq!(follow.settled(unreached).unwrap(), Vec::<Value>::new());
        assert!(follow.is_troubled);
        assert_eq!(follow.settled(Ok(vec![json!(1)])).unwrap(), [json!(1)]);
        assert!(!follow.is_troubled);
        for status in [400, 401, 403, 422] {
            assert!(follow.settled(refused(status)).is_err(), "{status}");
        }
    }

    #[test]
    fn a_line_has_its_time_level_handler_and_message() {
        let line = json!({
            "at": "2026-11-21T20:00:00.123Z", "level": "warn", "handler": "pay", "message": "slow {\"ms\":9}\n  at pay",
            "requestId": "r1",
        });
        assert_eq!(plain(&line), "2026-11-21T20:00:00.123Z  WARN   pay  slow {\"ms\":9}\n      at pay\n");
        assert_eq!(plain(&json!({"at": "t", "level": "info", "message": "m"})), "t  INFO   m\n");
        assert_eq!(json_of(&line)["event"], "log");
        assert_eq!(json_of(&line)["requestId"], "r1");
    }

    #[test]
    fn a_line_does_not_steer_the_terminal() {
        let hostile = "a\x1b[2J\r\u{202e}b";
        let line = json!({"at": hostile, "level": hostile, "handler": hostile, "message": hostile});
        assert!(!plain(&line).contains(['\x1b', '\r', '\u{202e}']), "{:?}", plain(&line));
    }

    #[test]
    fn a_page_tells_where_it_goes_on() {
        let (lines, next) = page(json!({"lines": [{"message": "a"}], "next": 7})).unwrap();
        assert_eq!((lines.len(), next), (1, Some(7)));
        assert_eq!(page(json!({"lines": []})).unwrap(), (vec![], None));
        for answer in [json!([]), json!({}), json!({"lines": 5})] {
            assert!(page(answer).is_err());
        }
    }
}
