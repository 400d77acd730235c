//! Server-sent events, as far as this program's own server writes them (WHATWG HTML, section 9.2).

use reqwest::Response;

/// The media type.
pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// The most bytes of one message: an event has 64 KiB at most.
const MAX_MESSAGE: usize = 1 << 20;

/// One message; a comment or a field that nobody uses makes an empty one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The place after it.
    pub(crate) id: String,
    /// What it is called; empty for an event of the bus.
    pub(crate) event: String,
    /// What it says.
    pub(crate) data: String,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    response: Response,
    buffered: Vec<u8>,
}

impl Stream {
    pub(super) fn new(response: Response) -> Self {
        Self { response, buffered: Vec::new() }
    }

    /// The next message; `None` once the connection has ended, or what comes is no stream.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = take(&mut self.buffered) {
                return Some(message);
            }
            if self.buffered.len() > MAX_MESSAGE {
                return None;
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffered.extend_from_slice(&chunk);
        }
    }
}

/// Takes a message that is there as a whole.
fn take(buffered: &mut Vec<u8>) -> Option<Message> {
    let end = buffered.windows(2).position(|pair| pair == b"\n\n")?;
    let block: Vec<u8> = buffered.drain(..end + 2).collect();
    let mut message = Message::default();
    for line in String::from_utf8_lossy(&block).lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => value.clone_into(&mut message.id),
            "event" => value.clone_into(&mut message.event),
            "data" => message.data.push_str(value),
            _ => {}
        }
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_once_they_are_whole() {
        let mut buffered =
            b"retry: 3000\nid: 0\n\n: still here\n\nid: 7\nevent: reset\ndata: {\"oldest\":\"5\"}\n\nid: 8"
                .to_vec();
        assert_eq!(take(&mut buffered), Some(Message { id: "0".into(), ..Message::default() }));
        assert_eq!(take(&mut buffered), Some(Message::default()));
        let reset = take(&mut buffered).unwrap();
        assert_eq!((&*reset.id, &*reset.event, &*reset.data), ("7", "reset", "{\"oldest\":\"5\"}"));
        assert_eq!(take(&mut buffered), None);
        buffered.extend_from_slice(b"\ndata: x\n\n");
        assert_eq!(take(&mut buffered).unwrap().data, "x");
    }
}
