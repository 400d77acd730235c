//! Finding plugins: the shared catalog and its search, and what a tenant may install.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::{PluginId, TenantId};

use crate::plugin::Plugin;
use crate::store::listings::{self, Search};
use crate::store::plugins;
use crate::{Error, Registry};

/// The most plugins on a page.
const MAX_PAGE: u16 = 200;
/// Plugins on a page where the caller does not say.
const DEFAULT_PAGE: u16 = 100;
/// The most categories listed.
const MAX_CATEGORIES: i64 = 500;
/// The most characters of a search that count.
const MAX_SEARCH: usize = 200;

/// Which page of a listing.
#[derive(Debug, Clone, Default)]
pub struct PageRequest {
    /// How many at most; 100 unless said, 200 at most.
    pub limit: Option<u16>,
    /// The cursor that the page before gave.
    pub cursor: Option<String>,
}

impl PageRequest {
    fn size(&self) -> usize {
        usize::from(self.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE))
    }

    /// Asks for one more than the page holds, to know whether there is another.
    fn fetch(&self) -> i64 {
        i64::try_from(self.size()).unwrap_or(i64::MAX).saturating_add(1)
    }

    fn after(&self) -> Result<Option<(String, String)>, Error> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| Error::Cursor)?;
        let after: (String, String) = serde_json::from_slice(&bytes).map_err(|_| Error::Cursor)?;
        // None of ours has a NUL, and PostgreSQL takes none.
        if after.0.contains('\0') || after.1.contains('\0') { Err(Error::Cursor) } else { Ok(Some(after)) }
    }
}

/// Plugins, and where the next ones begin.
#[derive(Debug)]
pub struct Page {
    /// The plugins.
    pub plugins: Vec<Plugin>,
    /// The cursor of the next page; `None` on the last.
    pub next: Option<String>,
}

impl Page {
    fn new(mut plugins: Vec<Plugin>, request: &PageRequest, key: impl Fn(&Plugin) -> String) -> Self {
        let has_more = plugins.len() > request.size();
        plugins.truncate(request.size());
        let last = plugins.last().filter(|_| has_more);
        let next = last.and_then(|plugin| serde_json::to_vec(&(key(plugin), &plugin.key)).ok());
        Self { next: next.map(|bytes| URL_SAFE_NO_PAD.encode(bytes)), plugins }
    }
}

/// The order of a search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// By name, A to Z.
    #[default]
    Name,
    /// The newest plugin first.
    Newest,
    /// The most installed first.
    Popular,
    /// The best rated first.
    Rating,
}

/// What to look for in the shared catalog.
#[derive(Debug, Clone, Default)]
pub struct SearchRequest {
    /// Exactly this category.
    pub category: Option<String>,
    /// This text in the name, the description or the id; capitals do not matter.
    pub text: Option<String>,
    /// In this order.
    pub sort: Sort,
    /// Which page.
    pub page: PageRequest,
}

impl Registry {
    /// The plugin that `tenant` means by `id`: its own before the shared one.
    ///
    /// # Errors
    /// [`Error::PluginNotFound`].
    pub async fn plugin(&self, tenant: Option<&TenantId>, id: &PluginId) -> Result<Plugin, Error> {
        let mut conn = self.database.read().await?;
        let plugin = plugins::find(&mut conn, tenant, id).await?;
        plugin.ok_or_else(|| Error::PluginNotFound(id.to_string()))
    }

    /// What `tenant` may install: the shared catalog and its own plugins, by name.
    pub async fn available(&self, tenant: Option<&TenantId>, request: &PageRequest) -> Result<Page, Error> {
        let (name, key) = request.after()?.unwrap_or_default();
        let mut conn = self.database.read().await?;
        let plugins = listings::available(&mut conn, tenant, (&name, &key), request.fetch()).await?;
        Ok(Page::new(plugins, request, |plugin| plugin.manifest.name.clone()))
    }

    /// Plugins of the shared catalog that support an extension point; at most 200.
    pub async fn by_extension_point(&self, point: &str) -> Result<Vec<Plugin>, Error> {
        let mut conn = self.database.read().await?;
        listings::by_extension_point(&mut conn, point, i64::from(MAX_PAGE)).await
    }

    /// Searches the shared catalog.
    ///
    /// # Errors
    /// [`Error::Cursor`].
    pub async fn search(&self, request: &SearchRequest) -> Result<Page, Error> {
        let after = request.page.after()?;
        let pattern = like_pattern(request.text.as_deref().unwrap_or_default());
        let search = Search {
            category: request.category.as_deref().unwrap_or_default(),
            pattern: &pattern,
            after: after.as_ref().map(|(measure, key)| (measure.as_str(), key.as_str())),
            limit: request.page.fetch(),
        };
        let mut conn = self.database.read().await?;
        let page = &request.page;
        Ok(match request.sort {
            Sort::Name => Page::new(listings::search_by_name(&mut conn, &search).await?, page, |plugin| {
                plugin.manifest.name.clone()
            }),
            Sort::Newest => {
                Page::new(listings::search_by_newest(&mut conn, &search).await?, page, |plugin| {
                    plugin.submitted_at.as_millisecond().to_string()
                })
            }
            Sort::Popular => {
                Page::new(listings::search_by_installs(&mut conn, &search).await?, page, |plugin| {
                    plugin.install_count.to_string()
                })
            }
            Sort::Rating => {
                Page::new(listings::search_by_rating(&mut conn, &search).await?, page, |plugin| {
                    (plugin.rating_sum * 100).checked_div(plugin.rating_count).unwrap_or(0).to_string()
                })
            }
        })
    }

    /// The categories of the shared catalog; at most 500.
    pub async fn categories(&self) -> Result<Vec<String>, Error> {
        let mut conn = self.database.read().await?;
        listings::categories(&mut conn, MAX_CATEGORIES).await
    }
}

/// A LIKE pattern that finds `text` anywhere, whatever signs are in it; empty for no text.
fn like_pattern(text: &str) -> String {
    let text: String = text.trim().chars().take(MAX_SEARCH).flat_map(char::to_lowercase).collect();
    if text.is_empty() {
        return text;
    }
    let escaped = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{escaped}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_of_the_pattern_language_are_plain_text() {
        assert_eq!(like_pattern(" 100%_OFF! "), "%100!%!_off!!%");
        assert_eq!(like_pattern("  "), "");
    }

    #[test]
    fn cursors_that_nobody_gave_are_refused() {
        for cursor in ["", "%", "bm8", "W10", "WzEsMl0", "WyJcdTAwMDAiLCIiXQ"] {
            let request = PageRequest { cursor: Some(cursor.into()), ..PageRequest::default() };
            assert!(matches!(request.after(), Err(Error::Cursor)), "{cursor:?}");
        }
    }
}
