//! The router, as who calls it sees it.
#![cfg(test)]

mod course;
mod filters;
mod health;
mod names;
mod properties;
mod rig;
mod strategies;
