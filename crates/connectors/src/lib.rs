//! One API over what tenants have connected: each connector turns the unified operations into calls of one vendor.

mod credential;
mod error;
pub mod lexmodo;

pub use credential::Credential;
pub use error::Error;
