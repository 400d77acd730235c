//! SQL of webhooks.

pub(super) mod addresses;
pub(super) mod listing;
pub(super) mod replies;
pub(super) mod webhooks;
