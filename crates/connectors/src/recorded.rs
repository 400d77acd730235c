//! Streams that are put on record when they end, in whichever way.

use std::pin::Pin;

use connections::activity::Outcome;
use futures::{Stream, StreamExt as _, stream};
use model::Coded;

use crate::activity::Use;

/// Gives what `pages` gives up to its first error. How it ended and how many of `what` there were is on record once, also
/// if nobody reads to the end.
pub(crate) fn recorded<T, E>(
    pages: impl Stream<Item = Result<Vec<T>, E>> + Send + 'static,
    under_way: Use,
    what: &'static str,
) -> impl Stream<Item = Result<Vec<T>, E>> + Send + 'static
where
    T: Send + 'static,
    E: Coded + Send + 'static,
{
    let reading = Reading { pages: Some(Box::pin(pages)), under_way: Some(under_way), count: None, what };
    stream::unfold(reading, |mut reading| async move { Some((reading.next().await?, reading)) })
}

type Pages<T, E> = Pin<Box<dyn Stream<Item = Result<Vec<T>, E>> + Send>>;

/// A listing that is being read.
struct Reading<T, E> {
    pages: Option<Pages<T, E>>,
    under_way: Option<Use>,
    /// How many items were given out; `None` before the first page.
    count: Option<u64>,
    what: &'static str,
}

impl<T, E: Coded> Reading<T, E> {
    /// The next page; `None` once the end or an error was given.
    async fn next(&mut self) -> Option<Result<Vec<T>, E>> {
        let next = self.pages.as_mut()?.next().await;
        if let Some(Ok(page)) = &next {
            let came = u64::try_from(page.len()).unwrap_or_default();
            self.count = Some(self.count.unwrap_or_default() + came);
        } else {
            self.pages = None;
            self.end(next.as_ref().map_or(Outcome::Ok, Outcome::of));
        }
        next
    }
}

impl<T, E> Reading<T, E> {
    fn end(&mut self, outcome: Outcome) {
        if let Some(under_way) = self.under_way.take() {
            under_way.end_stream(outcome, self.count.unwrap_or_default(), self.what);
        }
    }
}

/// Who stops reading has what it wanted. Who goes away before there is anything has not, which `under_way` notes by itself.
impl<T, E> Drop for Reading<T, E> {
    fn drop(&mut self) {
        if self.count.is_some() {
            self.end(Outcome::Ok);
        }
    }
}
