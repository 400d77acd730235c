//! The surface of the Lexmodo platform.

pub(crate) mod customers;
