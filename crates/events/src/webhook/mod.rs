//! Taking what others send to plugins: verified, stored, then delivered.
