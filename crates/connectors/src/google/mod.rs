//! What Gmail, Drive and Calendar have in common: how Google refuses, how its answers are read, and how what callers
//! write is taken.

mod dialect;
mod fields;
mod read;

pub(crate) use dialect::trouble;
pub(crate) use fields::{Fields, flag, one_of, required};
pub(crate) use read::{Whole, moment, put, url_base64};
