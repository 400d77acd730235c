//! Giving events and webhooks to their receivers: at least once, in order per key, with retries.
