//! The one way in which vendors are called, against a vendor that answers as it is told.

mod answers;
mod as_is;
mod limits;
mod repetition;
mod troubles;
pub(crate) mod vendor;
pub(crate) mod world;
