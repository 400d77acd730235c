//! What handlers take from a request. Each extractor refuses with a [`Problem`](crate::Problem).

mod body;
mod caller;

pub use body::{Json, Path, Query};
pub use caller::{Admin, MaybeCaller, PlatformAdmin, PublicTenant, Publisher, User};
