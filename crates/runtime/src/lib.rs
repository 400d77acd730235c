//! Plugin backends as the server runs them: what a handler is given, which route leads to it, and the way to upstreams.

pub mod upstream;
