//! The customers client against a grpcio server that misbehaves on demand, and against worse ones.

mod calls;
mod connection;
mod hostile;
mod listings;
pub(crate) mod platform;
mod raw;
mod secrecy;
mod stores;
mod tls;
pub(crate) mod tokens;
