//! Putting events of others into the log.
