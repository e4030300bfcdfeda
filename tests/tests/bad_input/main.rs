//! Bad input: each case is one row of a table and has its clear error. What callers send is in
//! [`http`], what an operator writes in [`start`], what a disk may hold in [`data`].

mod data;
mod http;
#[path = "../rig/mod.rs"]
mod rig;
mod start;

/// Rows are told apart by name, and a table that lost its rows must not pass.
fn check_names<'a>(names: impl Iterator<Item = &'a str>, least: usize) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        assert!(seen.insert(name), "two cases are called {name:?}");
    }
    assert!(seen.len() >= least, "{} cases, at least {least} are wanted", seen.len());
}
