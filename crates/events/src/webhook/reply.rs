//! Handlers that answer while the sender waits.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;

use super::address::Owner;
use super::intake::Entry;
use super::request::{Room, kept_headers};
use super::scheme::Verified;
use super::store::replies::Reply;
use super::{Door, Taken, WebhookRequest, Webhooks};
use crate::delivery::{Outcome, Queue, conclude_first, took_too_long};
use crate::{Answer, Cause, Error, Request};

/// How long a sender waits for the handler's answer at most, from its first byte on. Slack gives up after 3 s.
const PATIENCE: Duration = Duration::from_millis(2800);

/// How much later than the longest call a webhook is due for whoever holds the queue: if this process has not written down by
/// then what became of it, it is gone.
const BEYOND: Duration = Duration::from_secs(30);

impl Webhooks {
    /// Keeps a webhook and has its handler called at once. The sender gets the answer if it comes in time.
    pub(super) async fn reply(
        &self,
        (door, queue): (&Door, Queue),
        request: WebhookRequest,
        verified: Verified,
    ) -> Result<Taken, Error> {
        let now = self.0.ambient.now();
        let owner = &door.owner;
        let headers = kept_headers(&request.visible, &door.manifest()?.scheme.proof);
        // Where too many wait already, the queue takes it.
        let Ok(place) = Arc::clone(&self.0.replying).try_acquire_owned() else {
            self.keep((owner, queue), (&request, &headers, verified), now).await?;
            return Ok(Taken::Kept);
        };
        let due_at = now.plus(self.0.plugins.longest() + BEYOND);
        let kept = self.keep((owner, queue.clone()), (&request, &headers, verified), due_at).await?;
        let Some(number) = kept else { return Ok(Taken::Kept) };
        let WebhookRequest { begun, room, method, path, query, body, .. } = request;
        let request = Request { method, path, query, headers, body };
        // It goes on whether the sender waits or not.
        let call = self.clone().call((Arc::clone(owner), queue), number, request, (place, room));
        let call = self.0.calls.spawn(call);
        match tokio::time::timeout_at(begun + PATIENCE, call).await {
            Ok(Ok(Some(answer))) => Ok(Taken::Answered(answer)),
            _ => Ok(Taken::Kept),
        }
    }

    /// Calls the handler, and writes down what became of it. Gives its answer, good or not; `None` where there is none.
    async fn call(
        self,
        (owner, queue): (Arc<Owner>, Queue),
        webhook: i64,
        request: Request,
        _held: (OwnedSemaphorePermit, Room),
    ) -> Option<Answer> {
        let plugin = (&owner.plugin, owner.plugin_key.as_str());
        let call = self.0.plugins.webhook(&owner.tenant, plugin, request, Cause::default());
        let answered = tokio::time::timeout(self.0.plugins.longest() + BEYOND / 2, call).await;
        let answered = answered.unwrap_or_else(|_| Err(took_too_long()));
        let ending = conclude_first(Outcome::answered(&answered).fitting(), &self.0.ambient);
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
}
