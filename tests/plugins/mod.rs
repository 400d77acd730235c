//! A plugin from its source to the page: published, found, installed, configured, rated, taken away.

mod backends_publish;
mod catalog;
mod configuration;
mod consent;
mod elsewhere;
mod installing;
mod publishing;
mod ratings;
mod versions;
