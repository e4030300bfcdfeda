//! A file that needs more hides a second idea.

use crate::tree::{File, files, none, rust};

const MEDIAN: usize = 150;
const MOST: usize = 600;
const WRITTEN: [&str; 9] = [".rs", ".py", ".js", ".mjs", ".ts", ".tsx", ".sh", ".sql", ".css"];

fn lines(file: &File) -> usize {
    file.text.lines().count()
}

#[test]
fn no_file_is_too_long() {
    let long = files()
        .iter()
        .filter(|file| !file.is_made() && WRITTEN.iter().any(|end| file.path.ends_with(end)))
        .filter(|file| lines(file) > MOST)
        .map(|file| format!("{}: {} lines", file.path, lines(file)))
        .collect::<Vec<_>>();
    none("files over 600 lines", &long);
}

#[test]
fn the_median_file_is_short() {
    let code = |file: &&File| !file.is_made() && !file.path.contains("/tests/");
    let mut sizes: Vec<usize> = rust().filter(code).map(lines).collect();
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    assert!(median < MEDIAN, "the median of {} files is {median} lines", sizes.len());
}

#[test]
fn folder_modules_use_mod_rs() {
    let beside = |file: &&File| {
        let folder = format!("{}/", file.path.trim_end_matches(".rs"));
        !file.path.ends_with("/mod.rs")
            && files().iter().any(|other| other.path.starts_with(&folder))
    };
    let wrong = rust().filter(beside).map(|file| file.path.clone()).collect::<Vec<_>>();
    none("modules with a file beside their folder", &wrong);
}
