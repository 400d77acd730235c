//! What is run, and for whom.

use std::sync::Arc;

/// A built backend: a classic script that leaves its default export in `__plugin`.
#[derive(Debug, Clone)]
pub struct Script {
    /// Unique to this very text, for ever: instances with it are told from others by it.
    pub id: Arc<str>,
    /// The script.
    pub source: Arc<str>,
    /// Its source map (ECMA-426), by which errors are told in the author's own lines.
    pub source_map: Option<Arc<str>>,
}

/// Whose instance it is. Instances are never shared by two of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Among whom turns are shared fairly: the tenant.
    pub tenant: Arc<str>,
    /// Which of the tenant's programs: the plugin.
    pub plugin: Arc<str>,
}
