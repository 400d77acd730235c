//! The connector `github` against a vendor that answers as GitHub documents it.

mod hub;
mod issues;
mod refusals;
mod repositories;
