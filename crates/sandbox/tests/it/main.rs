//! Scripts of good and bad will in a real sandbox.

mod answers;
mod apart;
mod context;
mod errors;
mod examine;
mod globals;
mod hostile;
mod kept;
mod lanes;
mod world;
