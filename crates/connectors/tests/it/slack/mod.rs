//! The connector `slack`: against a Slack that others emulate, and against answers that are told, for what that does not do.

mod emulated;
mod told;
mod workspace;
