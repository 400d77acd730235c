//! The repositories of all workspaces: Bitbucket has no such list any more, so the workspaces are gone through one by one.

use serde::{Deserialize, Serialize};

use super::containers::{Workspaces, slugs};
use super::page::Paged;
use super::repository::{self, Repository};
use super::sought::Sought;
use crate::answer::Whole;
use crate::connector::Listing;
use crate::http::Api;
use crate::{Context, Error, Items};

/// How many workspaces are asked for at once: with their names a cursor stays far below its bound.
const WORKSPACES: u32 = 25;

/// What is still to be seen. As JSON it is the cursor of such a list.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tour {
    /// The workspaces, the one that is under way first.
    workspaces: Vec<String>,
    /// Where its next page is.
    next: Option<String>,
    /// Where further workspaces are told.
    further: Option<String>,
}

impl Tour {
    /// The workspaces at this address, or from the beginning.
    async fn begin(api: &Api<'_>, address: Option<&str>) -> Result<Self, Error> {
        let request = match address {
            Some(address) => api.follow(address),
            None => api.get(["user", "workspaces"]).query("pagelen", WORKSPACES).query("sort", "slug"),
        };
        let told: Paged<Workspaces> = request.json().await?;
        let page = told.page(slugs);
        Ok(Self { workspaces: page.items.into_iter().flatten().collect(), next: None, further: page.next })
    }

    fn read(cursor: &str) -> Result<Self, Error> {
        serde_json::from_str(cursor).map_err(|_| Error::PageToken { parameter: "page_token" })
    }

    /// The cursor where there is more to see.
    fn cursor(&self) -> Option<String> {
        let is_over = self.workspaces.is_empty() && self.further.is_none();
        // Texts can always be written.
        if is_over { None } else { serde_json::to_string(self).ok() }
    }
}

/// A page of the repositories of all workspaces. It ends where a workspace does.
pub(super) async fn page(
    api: &Api<'_>,
    context: &Context,
    sought: &Sought,
    listing: &Listing,
) -> Result<Items, Error> {
    let is_begun = listing.cursor.is_some();
    let mut tour = match &listing.cursor {
        Some(cursor) => Tour::read(cursor)?,
        None => Tour::begin(api, None).await?,
    };
    if tour.workspaces.is_empty()
        && let Some(address) = tour.further.take()
    {
        tour = Tour::begin(api, Some(&address)).await?;
    }
    let Some(workspace) = tour.workspaces.first() else {
        return Ok(Items { next: tour.cursor(), ..Items::default() });
    };
    let request = match &tour.next {
        Some(next) => api.follow(next),
        None => sought.first(api, &["repositories", workspace]),
    };
    let paged: Paged<Whole<Repository>> = request.about("workspace", workspace).json().await?;
    let mut page = paged.page(|whole| repository::item(whole, context.raw));
    tour.next = page.next.take();
    let is_only = !is_begun && tour.workspaces.len() == 1 && tour.further.is_none();
    if tour.next.is_none() {
        tour.workspaces.remove(0);
    }
    // What one workspace has is not what all have.
    page.total = page.total.filter(|_| is_only);
    page.next = tour.cursor();
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_again_and_nonsense_is_none() {
        let tour = Tour {
            workspaces: vec!["acme".into(), "base".into()],
            next: Some("https://api.bitbucket.org/2.0/repositories/acme?page=2".into()),
            further: None,
        };
        assert_eq!(Tour::read(&tour.cursor().unwrap()).unwrap(), tour);
        assert_eq!(Tour::default().cursor(), None);
        for nonsense in ["", "x", "{}", "https://api.bitbucket.org/2.0/repositories/acme?page=2"] {
            assert!(matches!(Tour::read(nonsense), Err(Error::PageToken { .. })), "{nonsense}");
        }
    }
}
