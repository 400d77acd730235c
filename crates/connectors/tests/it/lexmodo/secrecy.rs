//! The token is in no error, no log and no description of a value.

use std::io::Write;
use std::sync::{Arc, Mutex};

use connectors::lexmodo::Store;
use tracing_subscriber::filter::LevelFilter;

use super::hostile::{customers, grpc};
use super::platform::told;
use super::tokens::Tokens;

const TOKEN: &str = "a-token-that-nobody-may-see";

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(text)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_repeats_the_token_does_not_spread_it() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let customers = customers(|headers| {
        let authorization = headers["authorization"].to_str().unwrap();
        grpc(&[("grpc-status", "3"), ("grpc-message", &format!("you said {authorization}"))], b"")
    })
    .await;
    let store = Store { id: 7, credential: Tokens::new([TOKEN]) };
    assert!(!format!("{store:?} {customers:?}").contains(TOKEN));
    let error = customers.customer(&store, "1").await.unwrap_err();
    assert!(!format!("{error:?}").contains(TOKEN), "{error:?}");
    assert_eq!(told::<()>(Err(error)).1, "Lexmodo: the platform refused this: you said Bearer …");

    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("lexmodo call"), "the calls are logged");
    let leaks: Vec<_> = log.lines().filter(|line| line.contains(TOKEN)).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
}
