//! Test library.
