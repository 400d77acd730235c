//! The operations that a handler asks for, by name. An error is a sentence for the plugin's author.

mod argument;
mod connections;
mod events;
pub(crate) mod http;
pub(crate) mod message;
mod platform;
mod secrets;
pub(crate) mod shares;
mod storage;

pub(crate) use platform::{PlatformApi, platform_client};

use crate::invocation::{Invocation, shown};

/// Does `operation` with a JSON `argument` and answers JSON.
pub(crate) async fn dispatch(call: &Invocation, operation: &str, argument: &str) -> Result<String, String> {
    match operation {
        "connections.call" => connections::call(call, argument).await,
        "events.emit" => events::emit(call, argument).await,
        "http.request" => http::request(call, argument).await,
        "platform.request" => platform::request(call, argument).await,
        "secrets.get" => secrets::get(call, argument).await,
        "storage.compareAndSet" => storage::compare_and_set(call, argument).await,
        "storage.delete" => storage::delete(call, argument).await,
        "storage.get" => storage::get(call, argument).await,
        "storage.increment" => storage::increment(call, argument).await,
        "storage.list" => storage::list(call, argument).await,
        "storage.set" => storage::set(call, argument).await,
        other => Err(format!("there is no operation {}", shown(other))),
    }
}
