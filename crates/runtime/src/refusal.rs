//! Calls that the sandbox does not take.

use std::future::Future;
use std::time::Duration;

use sandbox::Error;

/// How long a refusal takes. Who asks again at once, on however many connections, would otherwise keep the server busy with
/// refusals, and other tenants waiting.
const PAUSE: Duration = Duration::from_millis(250);

/// Whether the call was not even begun, because there were too many or because the plugin is left alone. Such are no news for the
/// plugin's log: they would push out the lines that tell why.
pub(crate) fn is_one(error: &Error) -> bool {
    matches!(error, Error::Busy(_) | Error::Resting(_))
}

/// The answer of `call`, a refusal a moment later.
pub(crate) async fn paced<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let answer = call.await;
    if answer.as_ref().is_err_and(is_one) {
        tokio::time::sleep(PAUSE).await;
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn refusals_alone_take_their_time() {
        let began = Instant::now();
        paced(ready(Ok(7))).await.unwrap();
        paced(ready(Err::<(), _>(Error::Stack))).await.unwrap_err();
        assert_eq!(began.elapsed(), Duration::ZERO);
        for error in [Error::Busy(Duration::from_secs(1)), Error::Resting(Duration::from_secs(1))] {
            paced(ready(Err::<(), _>(error))).await.unwrap_err();
        }
        assert_eq!(began.elapsed(), 2 * PAUSE);
    }
}
