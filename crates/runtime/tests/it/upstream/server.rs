//! A plugin's server that says whatever a test wants, byte by byte, and notes what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with each request on a connection.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Sends these bytes and waits for the next request.
    Answer(Vec<u8>),
    /// Sends these bytes and closes the connection.
    AnswerAndClose(Vec<u8>),
    /// Sends the first bytes, then the others again and again, with a pause between.
    Trickle(Vec<u8>, Vec<u8>, Duration),
    /// Sends the first bytes, then the others as fast as they are taken, for ever.
    Flood(Vec<u8>, Vec<u8>),
    /// Sends these bytes and nothing more.
    Hang(Vec<u8>),
    /// Sends nothing where this stands in the request, and these bytes otherwise.
    HangAt(&'static str, Vec<u8>),
}

/// The server.
pub(super) struct Server {
    pub(super) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<Mutex<usize>>,
}

/// An answer with a length.
pub(super) fn whole(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

impl Server {
    pub(super) async fn start(act: Act) -> Self {
        Self::start_at("127.0.0.1:0", act).await
    }

    pub(super) async fn start_at(address: &str, act: Act) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(Mutex::new(0));
        let (noted, counted) = (Arc::clone(&requests), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                tokio::spawn(serve(stream, act.clone(), Arc::clone(&noted)));
            }
        });
        Self { url, requests, connections }
    }

    /// What it was sent: heads, with the bodies that came along.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

async fn serve(mut stream: TcpStream, act: Act, requests: Arc<Mutex<Vec<String>>>) {
    while let Some(request) = read(&mut stream).await {
        requests.lock().unwrap().push(request.clone());
        // Who is cut off while it sends has nothing more to do.
        let done = match &act {
            Act::HangAt(place, _) if request.contains(place) => {
                tokio::time::sleep(Duration::from_mins(1)).await;
                true
            }
            Act::Answer(bytes) | Act::HangAt(_, bytes) => stream.write_all(bytes).await.is_err(),
            Act::AnswerAndClose(bytes) => {
                let _ = stream.write_all(bytes).await;
                true
            }
            Act::Trickle(first, then, pause) => {
                let _ = stream.write_all(first).await;
                loop {
                    tokio::time::sleep(*pause).await;
                    if stream.write_all(then).await.is_err() {
                        break true;
                    }
                }
            }
            Act::Flood(first, then) => {
                let _ = stream.write_all(first).await;
                while stream.write_all(then).await.is_ok() {}
                true
            }
            Act::Hang(bytes) => {
                let _ = stream.write_all(bytes).await;
                tokio::time::sleep(Duration::from_mins(1)).await;
                true
            }
        };
        if done {
            return;
        }
    }
}

/// The next request: its head and, where it tells a length or comes in chunks, its body.
async fn read(stream: &mut TcpStream) -> Option<String> {
    let mut bytes = Vec::new();
    let is_whole = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if head.contains("transfer-encoding: chunked") {
            body.ends_with("0\r\n\r\n").then_some(text)
        } else {
            (body.len() >= length.unwrap_or(0)).then_some(text)
        }
    };
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(piece.get(..count)?);
        if let Some(request) = is_whole(&bytes) {
            return Some(request);
        }
    }
}
