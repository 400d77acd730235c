//! Jackfield.
fn main() {}
