//! What a running program may ask of the world.

use futures::future::BoxFuture;

/// The answer to [`Host::call`]: JSON, or a sentence that the program sees as the message of an `Error`.
pub type HostFuture = BoxFuture<'static, Result<String, String>>;

/// How grave a line of a program's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `console.debug`, `ctx.logger.debug`.
    Debug,
    /// `console.log`, `console.info`, `ctx.logger.info`.
    Info,
    /// `console.warn`, `ctx.logger.warn`.
    Warn,
    /// `console.error`, `ctx.logger.error`.
    Error,
}

/// What one invocation may do beside computing. Every permission is enforced by it: a program can call it past all that the
/// sandbox's own script puts around it.
pub trait Host: Send + Sync + 'static {
    /// Does `operation`, such as `storage.get`, with a JSON `argument`.
    fn call(&self, operation: &str, argument: String) -> HostFuture;

    /// Takes a line of the log. Must not block.
    fn log(&self, level: Level, message: String);
}
