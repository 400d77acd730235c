//! Whatever pages a list is cut into and whatever goes wrong on the way, each item is given once and in order: by one stream,
//! or by those that go on where one broke off.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use connectors::connector::Listing;
use connectors::http::{Settings, Upstream};
use connectors::{Context, Error, Interrupted, Items, Wanted};
use futures::StreamExt as _;
use futures::future::join_all;
use model::{Ambient, Coded as _, ErrorCode};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use testkit::ManualClock;
use tokio::net::TcpListener;

use super::archive::{World, asked, asker, away, number, page, wanted};
use super::script::{Fault, Played, Script, scripts};
use crate::http::vendor::{Turn, good, play, status, with_headers};
use crate::http::world::{settings, upstream};

/// More often than any script makes necessary.
const MAX_STREAMS: usize = 100;

/// What streams gave, one after the other, each going on where the one before broke off.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    papers: Vec<usize>,
    /// Whether the last broke off for good.
    is_circle: bool,
}

/// Reads the whole list, in case `case`. `between` has what is to happen after a trouble.
async fn given(world: &World, case: usize, between: impl Fn(&Interrupted)) -> Given {
    let (mut papers, mut page_token) = (Vec::new(), None);
    let parameters = vec![("case".to_owned(), case.to_string())];
    for _ in 0..MAX_STREAMS {
        let wanted = Wanted { page_token: page_token.clone(), parameters: parameters.clone(), ..wanted() };
        let done = world.connectors.stream_items(&asker("acme", "ann"), "archive", None, &wanted).await;
        let mut stream = Box::pin(done.unwrap().result);
        let mut is_first = true;
        let interrupted = loop {
            match stream.next().await {
                Some(Ok(items)) => papers.extend(items.iter().map(number)),
                Some(Err(interrupted)) => break interrupted,
                None => return Given { papers, is_circle: false },
            }
            is_first = false;
        };
        between(&interrupted);
        match interrupted.next_page_token {
            Some(token) => page_token = Some(token),
            // The whole answer is a problem: whoever asked asks again for the same.
            None if is_first && !interrupted.error.to_string().contains("circle") => {}
            None => {
                assert!(interrupted.error.to_string().contains("circle"), "{}", interrupted.error);
                return Given { papers, is_circle: true };
            }
        }
    }
    panic!("{MAX_STREAMS} streams and no end: {papers:?}");
}

fn expected(script: &Script) -> Given {
    Given { papers: (0..script.count()).collect(), is_circle: script.is_circle() }
}

#[test]
fn each_item_comes_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let playing: Arc<Mutex<Option<Played>>> = Arc::default();
    let played = Arc::clone(&playing);
    let world = runtime.block_on(World::new(move |_, listing| {
        let turn = played.lock().unwrap().as_mut().unwrap().page(asked(&listing));
        async move { turn.map(|(papers, next)| page(papers, next)).map_err(|_| away()) }
    }));
    let mut runner = TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let result = runner.run(&scripts(2), |script| {
        *playing.lock().unwrap() = Some(script.play());
        let given = runtime.block_on(given(&world, 0, |_| ()));
        let is_right = given == expected(&script);
        is_right.then_some(()).ok_or_else(|| TestCaseError::fail(format!("{given:?}")))
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Waits between attempts are real: so all cases run at once. A page may fail more often than a call is repeated.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_item_comes_once_and_in_order_over_http() {
    let mut runner = TestRunner::new(Config { failure_persistence: None, ..Config::default() });
    let strategy = scripts(4);
    let scripts: Vec<Script> = (0..24).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let (clock, ambient) = ManualClock::ambient();
    let vendors = join_all(scripts.iter().map(|script| vendor(script, &ambient))).await;
    let world = World::new(move |context, listing| {
        let case: usize = listing.filter("case").unwrap().parse().unwrap();
        let upstream = vendors[case].clone();
        async move { fetched(&upstream, &context, &listing).await }
    });
    let world = world.await;
    let between = |interrupted: &Interrupted| {
        let passes = interrupted.error.extensions().retryable == Some(true);
        assert!(passes || interrupted.error.code() == ErrorCode::UpstreamUnavailable, "{interrupted:?}");
        clock.advance(interrupted.error.retry_after(ambient.now()).unwrap_or_default());
    };
    let given = join_all((0..scripts.len()).map(|case| given(&world, case, between))).await;
    for (given, script) in given.iter().zip(&scripts) {
        assert_eq!(*given, expected(script), "{script:#?}");
    }
}

async fn fetched(upstream: &Upstream, context: &Context, listing: &Listing) -> Result<Items, Error> {
    let request = upstream.api(context).get(["papers"]).query_opt("cursor", listing.cursor.as_deref());
    let Listed { papers, next } = request.json().await?;
    Ok(page(papers, next))
}

/// A page as the vendor gives it.
#[derive(Serialize, Deserialize)]
struct Listed {
    papers: Vec<usize>,
    next: Option<usize>,
}

/// A vendor on loopback that has the list of `script`.
async fn vendor(script: &Script, ambient: &Ambient) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap()).parse().unwrap();
    let app = Router::new().fallback(answer).with_state(Arc::new(Mutex::new(script.play())));
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let settings = Settings { attempt_timeout: Duration::from_millis(300), ..settings() };
    upstream(settings, &url, ambient.clone()).1
}

async fn answer(State(played): State<Arc<Mutex<Played>>>, request: Request) -> Response {
    assert_eq!(request.uri().path(), "/v1/papers");
    let query = request.uri().query().unwrap_or_default();
    let number = query.strip_prefix("cursor=").map_or(0, |number| number.parse().unwrap());
    let turn = played.lock().unwrap().page(number);
    play(match turn {
        Ok((papers, next)) => good(&json!(Listed { papers: papers.collect(), next })),
        Err(Fault::Unavailable) => status(503, &Value::Null),
        Err(Fault::TooMany) => with_headers(429, &[("retry-after", "0")], &Value::Null),
        Err(Fault::Silence) => Turn::Hang,
        Err(Fault::Cut) => Turn::Cut,
        Err(Fault::Torn) => Turn::Answer(200, Vec::new(), "{\"papers\": [".into()),
    })
    .await
}
