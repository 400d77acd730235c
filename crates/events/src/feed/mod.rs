//! Reading the log: in pages, and as it grows.
