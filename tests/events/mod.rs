//! The event bus over HTTP: publishing, reading, following.

mod publishing;
mod reader;
mod sdks;
mod streams;
