//! Handlers that answer while the sender waits.

use std::time::Duration;

use model::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::intake::Entry;
use super::scheme::Verified;
use super::store::replies::{Ending, Reply};
use super::{Door, Taken, WebhookRequest, Webhooks, kept_headers, stored};
use crate::delivery::fitting;
use crate::{Answer, Cause, Error, ReceiveError, Refusal, Request};

/// How long a sender waits for the handler's answer at most. Slack gives up after 3 s.
const PATIENCE: Duration = Duration::from_millis(2800);

/// How much later than the longest call a webhook is due for whoever holds the queue: if this process has not written down by
/// then what became of it, it is gone.
const BEYOND: Duration = Duration::from_secs(30);

/// The pause after a call that has failed, as for every first attempt.
const PAUSE: Duration = Duration::from_secs(5);

/// The pause where no attempt could be made.
const NOT_NOW: Duration = Duration::from_secs(10);

/// The longest pause that a plugin may ask for.
const MAX_PAUSE: Duration = Duration::from_hours(24);

impl Webhooks {
    /// Keeps a webhook and has its handler called at once. The sender gets the answer if it comes in time.
    pub(super) async fn reply(
        &self,
        door: &Door,
        request: WebhookRequest,
        verified: Verified,
    ) -> Result<Taken, Error> {
        let now = self.0.ambient.now();
        // Where too many wait already, the queue takes it.
        let Ok(place) = std::sync::Arc::clone(&self.0.replying).try_acquire_owned() else {
            self.keep(door, (&request, verified), now).await?;
            return Ok(Taken::Kept);
        };
        let due_at = now.plus(self.0.plugins.longest() + BEYOND);
        let Some(number) = self.keep(door, (&request, verified), due_at).await? else {
            return Ok(Taken::Kept);
        };
        let headers = stored::pairs(&kept_headers(&request.visible, &door.manifest()?.scheme.proof));
        let WebhookRequest { method, path, query, body, .. } = request;
        let request = Request { method, path, query, headers, body };
        // It goes on whether the sender waits or not.
        let call = self.clone().call((door.owner.clone(), door.queue()), number, (request, place));
        let call = self.0.calls.spawn(call);
        match tokio::time::timeout(PATIENCE, call).await {
            Ok(Ok(Some(answer))) => Ok(Taken::Answered(answer)),
            _ => Ok(Taken::Kept),
        }
    }

    /// Calls the handler, and writes down what became of it. Gives its answer, good or not; `None` where there is none.
    async fn call(
        self,
        (owner, queue): (super::Owner, crate::delivery::Queue),
        webhook: i64,
        (request, _place): (Request, OwnedSemaphorePermit),
    ) -> Option<Answer> {
        let plugin = (&owner.plugin, owner.plugin_key.as_str());
        let call = self.0.plugins.webhook(&owner.tenant, plugin, request, Cause::default());
        let answered = tokio::time::timeout(self.0.plugins.longest() + BEYOND / 2, call).await;
        let answered = answered.unwrap_or_else(|_| {
            let message = "the handler took too long".into();
            Err(ReceiveError { message, refusal: Refusal::Failed, retry_after: None })
        });
        let ending = self.ending(&answered);
        let reply = Reply { queue: queue.clone(), webhook, ending };
        // The sender is answered meanwhile: what is written down here it need not wait for.
        let webhooks = self.clone();
        self.0.calls.spawn(async move {
            match webhooks.0.intake.submit(Entry::Reply(reply)).await {
                Ok(_) => (webhooks.0.wake)(&[queue].into()),
                Err(error) => tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    webhook.id = webhook,
                    "what became of a webhook could not be written down: it is delivered again"
                ),
            }
        });
        answered.ok()
    }

    /// What a call leads to.
    fn ending(&self, answered: &Result<Answer, ReceiveError>) -> Ending {
        let now = self.0.ambient.now();
        match answered {
            Ok(answer) if (200..300).contains(&answer.status) => Ending::Delivered { status: answer.status },
            Ok(answer) => Ending::Again {
                due_at: self.after(now, PAUSE),
                is_attempt: true,
                status: Some(answer.status),
                error: format!("the handler answered {}", answer.status),
            },
            Err(ReceiveError { message, refusal, retry_after }) => {
                let error = fitting(message);
                let asked = retry_after.unwrap_or_default().min(MAX_PAUSE);
                match refusal {
                    Refusal::Gone => Ending::Skipped { error },
                    Refusal::Failed => Ending::Again {
                        due_at: self.after(now, PAUSE.max(asked)),
                        is_attempt: true,
                        status: None,
                        error,
                    },
                    Refusal::NotNow => Ending::Again {
                        due_at: self.after(now, NOT_NOW.max(asked)),
                        is_attempt: false,
                        status: None,
                        error,
                    },
                }
            }
        }
    }

    /// A moment after a pause, up to a fifth later than asked.
    fn after(&self, now: Timestamp, pause: Duration) -> Timestamp {
        now.plus(pause + self.0.ambient.part_of(pause / 5))
    }
}
