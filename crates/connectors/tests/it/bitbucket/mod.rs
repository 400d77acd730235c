//! The connector `bitbucket`, against answers that are told, in the shapes of Bitbucket's OpenAPI document.

mod changes;
mod lists;
mod refusals;
mod talk;
mod world;
