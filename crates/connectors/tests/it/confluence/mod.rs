//! The connector `confluence`, against a site that answers as it is told.

mod comments;
mod pages;
mod search;
pub(crate) mod site;
mod writing;
