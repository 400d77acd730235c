//! Ratings: one of each user for each plugin.

use model::{Event, EventKind, PluginId, TenantId, Timestamp, Violation};
use serde_json::json;

use crate::store::plugins;
use crate::store::ratings::{self, NewRating, RatingRow};
use crate::{Error, Registry};

/// The most ratings that are listed.
const MAX_LISTED: i64 = 200;
/// The most characters of a review.
const MAX_REVIEW: usize = 4000;

/// What a user thinks of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// The name that the user goes by.
    pub author: String,
    /// 1 to 5.
    pub stars: i64,
    /// In the user's words.
    pub review: Option<String>,
    /// When it was first given.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl From<RatingRow> for Rating {
    fn from(row: RatingRow) -> Self {
        Self {
            author: row.author,
            stars: row.rating,
            review: row.review,
            created_at: Timestamp::from_millisecond(row.created_at),
            updated_at: Timestamp::from_millisecond(row.updated_at),
        }
    }
}

impl Registry {
    /// Gives or changes a user's rating.
    ///
    /// # Errors
    /// [`Error::PluginNotFound`], [`Error::Rating`] outside 1 to 5 or with a review of more than 4,000 characters.
    pub async fn rate(
        &self,
        tenant: &TenantId,
        id: &PluginId,
        user: (&str, &str),
        rating: i64,
        review: Option<&str>,
    ) -> Result<Rating, Error> {
        check(rating, review)?;
        let (subject, author) = user;
        let mut tx = self.database.begin().await?;
        let plugin = plugins::find(&mut tx, Some(tenant), id).await?;
        let plugin = plugin.ok_or_else(|| Error::PluginNotFound(id.to_string()))?;
        let new = NewRating {
            plugin_key: &plugin.key,
            tenant,
            subject,
            author,
            rating,
            review,
            now: self.ambient.now(),
        };
        let row = ratings::put(&mut tx, &new).await?;
        tx.record(Event {
            tenant: Some(tenant.clone()),
            kind: EventKind::PluginRated,
            subject: id.to_string(),
            data: json!({"rating": rating, "by": subject}),
        });
        tx.commit().await?;
        Ok(row.into())
    }

    /// The ratings of a plugin, newest first; at most 200.
    ///
    /// # Errors
    /// [`Error::PluginNotFound`].
    pub async fn ratings(&self, tenant: Option<&TenantId>, id: &PluginId) -> Result<Vec<Rating>, Error> {
        let plugin = self.plugin(tenant, id).await?;
        let mut conn = self.database.read().await?;
        let rows = ratings::list(&mut conn, &plugin.key, MAX_LISTED).await?;
        Ok(rows.into_iter().map(Rating::from).collect())
    }
}

fn check(rating: i64, review: Option<&str>) -> Result<(), Error> {
    let mut problems = Vec::new();
    if !(1..=5).contains(&rating) {
        problems.push(Violation::new("/rating", "must be a whole number from 1 to 5"));
    }
    if review.is_some_and(|review| review.chars().count() > MAX_REVIEW) {
        problems.push(Violation::new("/review", format!("must have at most {MAX_REVIEW} characters")));
    }
    if review.is_some_and(|review| review.contains('\0')) {
        problems.push(Violation::new("/review", "must not contain U+0000"));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Rating(problems)) }
}
