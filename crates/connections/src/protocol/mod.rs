//! What is said to providers over HTTP: redeeming, revoking, asking for the account. Knows no tenant and no database.

mod app;
mod error;

pub use app::App;
pub use error::{CallError, Sent};
