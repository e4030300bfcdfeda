//! The rules of the project as tests: what a review should not have to look for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod fences;
mod invariants;
mod layering;
mod sizes;
mod tree;
mod words;
