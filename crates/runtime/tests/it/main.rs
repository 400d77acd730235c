//! What handlers ask for, on both databases and over real sockets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on fails")]

mod upstream;
