//! All of a list as one stream: what it gives, what it asks the vendor for, how it ends and how it is gone on with.

mod archive;
mod property;
mod reading;
mod script;
mod tokens;
