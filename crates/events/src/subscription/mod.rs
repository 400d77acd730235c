//! Who wants which events, and where.
