//! No token in what is logged or shown.

use std::io;
use std::sync::{Arc, Mutex};

use connections::protocol::CallError;
use tracing_subscriber::fmt::MakeWriter;

use super::provider::Fault;
use super::{Place, ROTATING, World, on_both_databases, tokens};

on_both_databases!(no_token_is_logged_or_shown);

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

async fn no_token_is_logged_or_shown(place: Place) {
    static LINES: std::sync::LazyLock<Lines> = std::sync::LazyLock::new(|| {
        let lines = Lines::default();
        // For the whole process, because renewals are tasks of their own.
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        lines
    });
    let lines = LINES.clone();
    let world = World::new(place, ROTATING).await;
    let key = world.connect("sesame").await;
    let mut shown = vec![format!("{:?} {:?}", tokens("sesame"), world.vault)];
    let faults = [
        CallError::InvalidClient,
        CallError::RateLimited { retry_after: None },
        CallError::Malformed("it is HTML"),
    ];
    for fault in faults {
        world.advance(3600);
        world.provider.fail(Fault::Refuse(fault));
        let outcome = world.vault.refresh(&key).await;
        shown.push(format!("{outcome:?} {:?}", outcome.as_ref().map_err(ToString::to_string)));
    }
    world.reconnect(&key, &tokens("sesame")).await;
    world.run("DELETE FROM broken_app").await;
    let renewed = world.vault.refresh(&key).await.unwrap();
    shown.push(format!("{renewed:?}"));
    world.provider.revoke("sesame");
    shown.push(format!("{:?}", world.vault.refresh(&key).await));
    for event in storage::events_after(&mut world.database.read().await.unwrap(), 0).await.unwrap() {
        shown.push(format!("{event:?}"));
    }
    shown.push(String::from_utf8(lines.0.lock().unwrap().clone()).unwrap());
    let shown = shown.join("\n");
    assert!(shown.contains(r#"refresh.step="redeemed""#), "the log was heard");
    for secret in ["access-sesame", "refresh-sesame"] {
        let place = shown.find(secret).map(|at| shown[at.saturating_sub(200)..at].to_owned());
        assert_eq!(place, None);
    }
}
