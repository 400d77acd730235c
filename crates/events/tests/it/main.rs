//! Events, subscriptions, deliveries and webhooks on both databases.
