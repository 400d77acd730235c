//! Everything that leaves on another's word: which addresses may be reached, judged by the address that is connected to.
