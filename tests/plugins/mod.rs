//! A plugin from its source to the page: published, found, installed, configured, rated, taken away.

mod catalog;
mod configuration;
mod installing;
mod publishing;
mod ratings;
mod versions;
