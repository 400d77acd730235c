//! Servers on loopback, and names that resolve as a test says.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use outbound::{Addresses, Client, Guard, Lookup, Settings};
use tokio::net::TcpListener;
use url::Url;

/// What a server was sent: the method, the path, the headers by name, and the body.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

/// A server that answers as it is told, and keeps what it was sent.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    hits: Arc<Mutex<Vec<Hit>>>,
}

impl Server {
    /// On a free port of `ip`; `answer` tells what to say to a path.
    pub(crate) async fn start<R: IntoResponse>(
        ip: &str,
        answer: impl Fn(&str) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::start_at(SocketAddr::new(ip.parse().unwrap(), 0), answer).await
    }

    /// At this very address.
    pub(crate) async fn start_at<R: IntoResponse>(
        address: SocketAddr,
        answer: impl Fn(&str) -> R + Clone + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let hits = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&hits);
        let app = Router::new().fallback(move |request: Request| {
            let (kept, answer) = (Arc::clone(&kept), answer.clone());
            async move {
                let hit = hit(request).await;
                let path = hit.path.clone();
                kept.lock().unwrap().push(hit);
                answer(&path).into_response()
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { address, hits }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// What it was sent so far.
    pub(crate) fn hits(&self) -> Vec<Hit> {
        self.hits.lock().unwrap().clone()
    }
}

async fn hit(request: Request) -> Hit {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Hit {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: head.headers.iter().map(header).collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

/// A redirect with this status.
pub(crate) fn redirect(status: u16, to: &str) -> Response {
    (http::StatusCode::from_u16(status).unwrap(), [("location", to)], "").into_response()
}

/// Answers of a name server, one after the other; the last for ever.
#[derive(Debug)]
pub(crate) struct Names(Mutex<HashMap<String, Known>>);

#[derive(Debug)]
struct Known {
    answers: Vec<Vec<IpAddr>>,
    asked: usize,
}

impl Names {
    pub(crate) fn of(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let names = names.iter().map(|(name, answers)| {
            ((*name).to_owned(), Known { answers: answers.iter().map(parse).collect(), asked: 0 })
        });
        Arc::new(Self(Mutex::new(names.collect())))
    }

    /// How often `name` was asked for.
    pub(crate) fn asked(&self, name: &str) -> usize {
        self.0.lock().unwrap().get(name).map_or(0, |known| known.asked)
    }
}

impl Lookup for Names {
    fn addresses(&self, name: &str) -> Addresses {
        let mut names = self.0.lock().unwrap();
        let found = names.get_mut(name).map(|known| {
            let answer = known.answers[known.asked.min(known.answers.len() - 1)].clone();
            known.asked += 1;
            answer
        });
        Box::pin(async move { found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)) })
    }
}

/// A guard with these names.
pub(crate) fn guard(allow: &str, names: &Arc<Names>) -> Guard {
    let names = Arc::clone(names) as Arc<dyn Lookup>;
    Guard::with_lookup(allow.parse().unwrap(), Vec::new(), names).unwrap()
}

/// A client that keeps no connection.
pub(crate) fn client(guard: &Guard) -> Client {
    guard.client(&Settings::default()).unwrap()
}

pub(crate) fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}
