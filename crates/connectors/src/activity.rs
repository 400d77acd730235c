//! The record of what is done with connections here.

use std::time::{Duration, Instant};

use connections::activity::{Action, Activity, Entry, Outcome};
use connections::connection::Connection;
use model::ErrorCode;

use crate::{Asker, Error};

/// How long an operation may take, the renewal of its token included. Shorter than what callers usually wait.
pub(crate) const DEADLINE: Duration = Duration::from_secs(25);

/// What comes of `work`, or of its taking too long: then nobody knows what of it was done, and only what `may_be_repeated`
/// is for a program to do again.
pub(crate) async fn in_time<T>(
    work: impl Future<Output = Result<T, Error>>,
    may_be_repeated: bool,
) -> Result<T, Error> {
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(|_| {
        let unknown = if may_be_repeated { "" } else { "; whether this was done is not known" };
        Err(Error::Upstream {
            provider: "the provider",
            code: ErrorCode::UpstreamTimeout,
            detail: format!("there was no answer within {} s{unknown}", DEADLINE.as_secs()),
            retry_after: None,
            status: None,
            retryable: may_be_repeated,
        })
    })
}

/// A use of a connection that is under way. It is on record when it ends, in whichever way, without any content.
#[derive(Debug)]
pub(crate) struct Use {
    activity: Activity,
    entry: Option<Entry>,
    began: Instant,
    may_be_repeated: bool,
}

impl Use {
    /// `asker` uses `connection` for `operation`.
    pub(crate) fn begin(
        activity: &Activity,
        asker: &Asker,
        connection: &Connection,
        operation: &str,
    ) -> Self {
        let entry = Entry::new(&asker.tenant, &asker.actor, Action::Use).about(connection);
        Self {
            activity: activity.clone(),
            entry: Some(entry.operation(operation)),
            began: Instant::now(),
            may_be_repeated: true,
        }
    }

    /// The same where that twice may not be the same as once.
    pub(crate) fn repeatable(mut self, may_be_repeated: bool) -> Self {
        self.may_be_repeated = may_be_repeated;
        self
    }

    /// Does the work, within the time that an operation may take.
    ///
    /// # Errors
    /// Those of the work; [`Error::Upstream`] where it takes too long.
    pub(crate) async fn finish<T>(
        mut self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let result = in_time(work, self.may_be_repeated).await;
        self.note(Outcome::of(&result), None);
        result
    }

    /// The same for work that passes on what a vendor answers: `code` tells how that would end were it not passed on, and
    /// `method` stands beside it.
    pub(crate) async fn finish_passing<T>(
        mut self,
        method: &str,
        work: impl Future<Output = Result<T, Error>>,
        code: impl FnOnce(&T) -> Option<ErrorCode>,
    ) -> Result<T, Error> {
        let result = in_time(work, self.may_be_repeated).await;
        let outcome = match &result {
            Ok(passed) => code(passed).map_or(Outcome::Ok, Outcome::of_error),
            Err(_) => Outcome::of(&result),
        };
        self.note(outcome, Some(method.to_owned()));
        result
    }

    /// A stream has ended that gave so many of `what`.
    pub(crate) fn end_stream(mut self, outcome: Outcome, count: u64, what: &str) {
        self.note(outcome, Some(format!("{count} {what}")));
    }

    fn note(&mut self, outcome: Outcome, detail: Option<String>) {
        let Some(entry) = self.entry.take() else { return };
        let entry = entry.outcome(outcome).took(self.began.elapsed());
        self.activity.record(match detail {
            Some(detail) => entry.detail(&detail),
            None => entry,
        });
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let given_up = Outcome::Failed(ErrorCode::RequestTimeout);
        self.note(given_up, Some("nobody waited for the end".to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use model::Coded as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_given_up() {
        let slow = tokio::time::sleep(DEADLINE.mul_f32(0.9));
        let work = async {
            slow.await;
            Ok(7)
        };
        let done = in_time(work, false);
        assert_eq!(done.await.unwrap(), 7);
        for may_be_repeated in [true, false] {
            let endless = std::future::pending::<Result<(), Error>>();
            let error = in_time(endless, may_be_repeated).await.unwrap_err();
            assert_eq!(error.code(), ErrorCode::UpstreamTimeout);
            assert_eq!(error.extensions().retryable, Some(may_be_repeated));
        }
    }
}
