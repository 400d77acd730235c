//! Scripts of good and bad will in a real sandbox.

mod answers;
mod world;
