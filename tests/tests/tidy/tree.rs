//! The files of the project, and Rust source without its comments and strings.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The root of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of the project.
pub(crate) struct File {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Made by a program or recorded, not written by hand.
    pub(crate) fn is_made(&self) -> bool {
        let made = ["/generated/", "/fixtures/", "/golden/", "/examples/"];
        made.iter().any(|part| self.path.contains(part)) || self.is_lock()
    }

    pub(crate) fn is_lock(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name == "Cargo.lock" || name == "package-lock.json" || name.ends_with(".lock")
    }

    /// The code alone, up to the module of unit tests.
    pub(crate) fn shipped(&self) -> String {
        let code = code(&self.text);
        match code.find("#[cfg(test)]\nmod ") {
            Some(end) => code.split_at(end).0.to_owned(),
            None => code,
        }
    }
}

/// All text files that git knows or would take.
pub(crate) fn files() -> &'static [File] {
    static FILES: OnceLock<Vec<File>> = OnceLock::new();
    FILES.get_or_init(|| {
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root())
            .output()
            .unwrap_or_else(|error| panic!("git must be there to list the files: {error}"));
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let read = |path: &str| {
            let text = std::fs::read(root().join(PathBuf::from(path))).ok()?;
            Some(File { path: path.to_owned(), text: String::from_utf8(text).ok()? })
        };
        String::from_utf8(listed.stdout).unwrap().split('\0').filter_map(read).collect()
    })
}

pub(crate) fn rust() -> impl Iterator<Item = &'static File> {
    files().iter().filter(|file| file.is_rust())
}

/// Fails with one line per finding.
pub(crate) fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

/// Rust source with comments and the insides of strings and characters left out; lines stay.
pub(crate) fn code(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |index: usize| chars.get(index).copied().unwrap_or('\0');
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let word_before = i > 0 && (at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        let from = i;
        match (at(i), at(i + 1)) {
            ('/', '/') => i += chars[i..].iter().take_while(|c| **c != '\n').count(),
            ('/', '*') => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= chars.len() {
                        break;
                    }
                }
            }
            ('r', '"' | '#') if !word_before || at(i - 1) == 'b' => {
                let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
                if at(i + 1 + hashes) != '"' {
                    out.push('r');
                    i += 1;
                    continue;
                }
                i += 2 + hashes;
                let ends = |i: usize| at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#');
                while i < chars.len() && !ends(i) {
                    i += 1;
                }
                i += 1 + hashes;
                out.push_str("\"\"");
            }
            ('"', _) => {
                i += 1;
                while i < chars.len() && at(i) != '"' {
                    i += if at(i) == '\\' { 2 } else { 1 };
                }
                i += 1;
                out.push_str("\"\"");
            }
            ('\'', '\\') => {
                i += 2;
                i += 2 + chars
                    .get(i + 1..)
                    .map_or(0, |rest| rest.iter().take_while(|c| **c != '\'').count());
            }
            ('\'', _) if at(i + 2) == '\'' => i += 3,
            (other, _) => {
                out.push(other);
                i += 1;
                continue;
            }
        }
        let end = i.min(chars.len());
        out.extend(chars[from..end].iter().filter(|c| **c == '\n'));
    }
    out
}

/// Whether the word stands in the code, not as part of a longer one.
pub(crate) fn has_word(code: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let (before, rest) = code.split_at(at);
        let after = rest.strip_prefix(word).unwrap_or_default();
        !before.ends_with(part) && !after.starts_with(part)
    })
}

#[test]
fn code_is_what_remains_without_comments_and_strings() {
    let source = "let a = \"x // y\\\" z\"; // tokio\nlet b = r#\"axum \"q\" \"#; /* a /* b */ c */ let c = '\"'; let d: &'a str;\nlet e = '\\''; let f = b'\\n'; g(\"h\nh\");";
    let code = code(source);
    assert_eq!(
        code,
        "let a = \"\"; \nlet b = \"\";  let c = ; let d: &'a str;\nlet e = ; let f = b; g(\"\"\n);"
    );
    assert!(has_word("use tokio::io;", "tokio") && !has_word("use tokio_util::io;", "tokio"));
}
