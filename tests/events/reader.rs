//! One who reads a stream of events, as a browser's `EventSource` does.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a stream has carried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    /// Empty where the stream names none.
    pub(crate) name: String,
    pub(crate) id: String,
    pub(crate) data: Value,
}

/// An open stream.
pub(crate) struct Reader {
    response: Response,
    text: String,
    told: VecDeque<Told>,
    /// The last id that the stream has had.
    pub(crate) last_id: String,
}

impl Reader {
    /// Opens a stream, and reads where it begins.
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = request.timeout(Duration::from_mins(15)).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        assert!(!response.headers().contains_key("content-encoding"));
        let mut reader =
            Self { response, text: String::new(), told: VecDeque::new(), last_id: String::new() };
        while reader.last_id.is_empty() {
            assert!(reader.read().await, "it begins with an id");
        }
        reader
    }

    /// What comes next; `None` where the stream ends.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        while self.told.is_empty() {
            if !self.read().await {
                return None;
            }
        }
        self.told.pop_front()
    }

    /// The data of the next `count` events.
    pub(crate) async fn data(&mut self, count: usize) -> Vec<Value> {
        let mut data = Vec::new();
        for _ in 0..count {
            data.push(self.next().await.expect("the stream goes on").data);
        }
        data
    }

    /// Reads until the stream ends.
    pub(crate) async fn ends(&mut self) {
        while self.next().await.is_some() {}
    }

    async fn read(&mut self) -> bool {
        let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("the stream lives");
        // What is cut off has ended, too.
        let Ok(Some(chunk)) = chunk else { return false };
        self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some((block, rest)) = self.text.split_once("\n\n") {
            let (block, rest) = (block.to_owned(), rest.to_owned());
            self.text = rest;
            self.take(&block);
        }
        true
    }

    fn take(&mut self, block: &str) {
        let (mut name, mut data) = (String::new(), None);
        for line in block.lines() {
            match line.split_once(':').unwrap() {
                ("id", id) => id.trim().clone_into(&mut self.last_id),
                ("event", event) => event.trim().clone_into(&mut name),
                ("data", text) => data = Some(serde_json::from_str(text.trim()).unwrap()),
                ("retry", wait) => {
                    assert!(wait.trim().parse::<u32>().is_ok_and(|wait| (500..=2500).contains(&wait)));
                }
                ("", _) => {}
                (field, _) => panic!("{field}"),
            }
        }
        if let Some(data) = data {
            self.told.push_back(Told { name, id: self.last_id.clone(), data });
        }
    }
}
