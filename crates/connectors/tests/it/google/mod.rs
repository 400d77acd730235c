//! Gmail, Drive and Calendar: against Google as others emulate it, and for its gaps against a vendor that answers as told.

mod calendar;
mod drive;
mod drive_content;
mod gmail;
mod gmail_content;
mod gmail_gaps;
mod raw;
mod world;
