//! Entries that the program itself makes of its settings, for the platform that it is installed on.

use std::fmt;

use toml::Table;

/// An entry of the catalog that is made of settings. It stands beside the built-in ones: `[providers.ID]` in the
/// operator's file overrides its fields, and its app is then also set by `ID_CLIENT_ID` and its like.
#[derive(Clone)]
pub struct PlatformEntry<'a> {
    /// Its name in the catalog.
    pub id: &'a str,
    /// The keys of `docs/add-a-provider.md`, those of its app with them; `generic` has the rest. May hold the app's
    /// secret.
    pub table: Table,
    /// Which setting each key comes from, so that what is wrong with a value is said of that setting.
    pub settings: &'a [(&'a str, &'a str)],
}

/// Without what may be secret.
impl fmt::Debug for PlatformEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, settings, .. } = self;
        f.debug_struct("PlatformEntry").field("id", id).field("settings", settings).finish_non_exhaustive()
    }
}
