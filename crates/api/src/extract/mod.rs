//! What handlers take from a request. Each extractor refuses with a [`Problem`](crate::Problem).

mod body;
mod caller;
mod session_token;
mod standing;

pub use body::{Json, OptionalJson, Path, Query};
pub(crate) use body::{is_json, read_json, unread_body};
pub use caller::{Admin, MaybeCaller, PlatformAdmin, PublicTenant, Publisher, User};
pub(crate) use session_token::SESSION_TOKEN;
pub(crate) use standing::Standing;
