//! What must not stand in the tree: secrets, paths of a machine, registries, unfinished work.

use crate::tree::{File, code, files, none, rust};

/// Beginnings of credentials, and how many more characters make one.
const SECRETS: [(&str, usize); 12] = [
    (concat!("s", "k-"), 20),
    (concat!("s", "k-ant-"), 20),
    (concat!("s", "k_live_"), 16),
    (concat!("AK", "IA"), 16),
    (concat!("AS", "IA"), 16),
    (concat!("AI", "za"), 30),
    (concat!("gh", "p_"), 30),
    (concat!("github", "_pat_"), 20),
    (concat!("xo", "xb-"), 16),
    (concat!("gl", "pat-"), 16),
    (concat!("xa", "i-"), 32),
    (concat!("ey", "JhbGciOi"), 20),
];

const REGISTRIES: [&str; 9] = [
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("yarn", "pkg.com"),
    concat!("maven", ".org"),
    concat!("maven", ".apache.org"),
    concat!("debian", ".org"),
];

const MACHINE: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// How Cargo itself writes the index of its registry.
const INDEX: &str = concat!("https://github.com/rust-lang/crates", ".io-index");

/// One line per place where `find` sees something.
fn places(find: impl Fn(&File, &str) -> Option<String>) -> Vec<String> {
    let mut found = Vec::new();
    for file in files() {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(what) = find(file, line) {
                found.push(format!("{}:{}: {what}", file.path, number + 1));
            }
        }
    }
    found
}

#[test]
fn no_secret_is_in_the_tree() {
    let secret = |line: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        SECRETS.iter().find(|(start, more)| {
            line.match_indices(start).any(|(at, _)| {
                let (before, rest) = line.split_at(at);
                let run = rest.chars().skip(start.len()).take_while(|c| word(*c));
                let (mut length, mut digits) = (0, 0);
                for c in run {
                    length += 1;
                    digits += usize::from(c.is_ascii_digit());
                }
                // names are long too, but hold no digits
                !before.ends_with(word) && length >= *more && digits >= 3
            })
        })
    };
    let key = concat!("PRIVATE", " KEY-----");
    let found = places(|file, line| {
        let hash = file.is_lock() && (line.contains("checksum") || line.contains("integrity"));
        let seen = secret(line).map(|(start, _)| *start).or(line.contains(key).then_some(key));
        seen.filter(|_| !hash).map(str::to_owned)
    });
    none("what looks like a secret", &found);
}

#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    let path = |line: &str, start: &str| {
        line.match_indices(start).any(|(at, _)| {
            let (before, _) = line.split_at(at);
            // not inside a longer path or URL
            !before.ends_with(|c: char| c.is_alphanumeric() || c == '.' || c == '}' || c == '_')
        })
    };
    let found = places(|_, line| {
        MACHINE.iter().find(|start| path(line, start)).map(|start| (*start).to_owned())
    });
    none("paths of a machine", &found);
}

#[test]
fn no_registry_is_in_the_tree() {
    let found = places(|_, line| {
        let line = line.replace(INDEX, "");
        REGISTRIES.iter().find(|host| line.contains(**host)).map(|host| (*host).to_owned())
    });
    none("hosts of package registries", &found);
}

#[test]
fn no_work_is_left_undone() {
    let marks = ["#[ignore", "todo!(", "unimplemented!("];
    let mut found = Vec::new();
    for file in rust() {
        for (number, line) in code(&file.text).lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                found.push(format!("{}:{}: {mark}", file.path, number + 1));
            }
        }
    }
    none("unfinished work and skipped tests", &found);
}
