//! The invariants of the architecture document, and what the threat model says holds, are true because a test says so.

use crate::tree::{File, code, none, root, rust};

/// A numbered invariant and the tests that it names.
struct Invariant {
    number: usize,
    title: String,
    tests: Vec<String>,
}

/// Reads ``1. **Title.** Prose … Test: `name` `` items of the section `## Invariants`; an item may go on over several lines
/// and name several tests after `Test:` or `Tests:`.
fn invariants(document: &str) -> Vec<Invariant> {
    let section = document.split("\n## ").find(|part| part.starts_with("Invariants"));
    let mut items: Vec<String> = Vec::new();
    for line in section.unwrap_or_default().lines() {
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        if digits > 0 && line.split_at(digits).1.starts_with(". **") {
            items.push(line.to_owned());
        } else if let Some(item) = items.last_mut() {
            item.push(' ');
            item.push_str(line.trim());
        }
    }
    items.iter().map(|item| invariant(item)).collect()
}

fn invariant(item: &str) -> Invariant {
    let (number, rest) = item.split_once(". **").unwrap();
    let (title, prose) = rest.split_once("**").unwrap_or((rest, ""));
    let named = prose.split_once("Test: ").or_else(|| prose.split_once("Tests: "));
    let tests = named.map_or_else(Vec::new, |(_, names)| {
        names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    });
    Invariant { number: number.parse().unwrap(), title: title.to_owned(), tests }
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let document = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let invariants = invariants(&document);
    assert!(!invariants.is_empty(), "ARCHITECTURE.md lists no invariants");
    let tests = all_tests();
    let mut wrong = Vec::new();
    for (at, invariant) in invariants.iter().enumerate() {
        let Invariant { number, title, tests: named } = invariant;
        if *number != at + 1 {
            wrong.push(format!("{number}. {title} should be number {}", at + 1));
        }
        if named.is_empty() {
            wrong.push(format!("{number}. {title} names no test"));
        }
        for name in named.iter().filter(|name| !tests.contains(name)) {
            wrong.push(format!("{number}. {title}: there is no test {name}"));
        }
    }
    none("invariants that nothing shows", &wrong);
}

/// All tests of the tree.
fn all_tests() -> Vec<String> {
    // the cases of a contract suite are made into tests by a macro, once per implementation
    let contract = |path: &str| path.contains("/contract/");
    let of = |file: &File| tests(&code(&file.text), contract(&file.path));
    rust().flat_map(of).collect()
}

#[test]
fn every_mitigation_names_what_shows_it() {
    let document = std::fs::read_to_string(root().join("THREAT_MODEL.md")).unwrap();
    let tests = all_tests();
    let (mut wrong, mut rows) = (Vec::new(), 0);
    // of the tables of threats: | threat | what holds | shown by |
    let tables = document.split("\n## ").filter(|part| part.contains("| shown by |"));
    for row in tables.flat_map(str::lines).filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [threat, _, shown] = cells.as_slice() else {
            wrong.push(format!("{row}: three columns are wanted"));
            continue;
        };
        if ["threat", "---"].contains(threat) || *shown == "no test" {
            continue;
        }
        rows += 1;
        let named: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !root().join(shown).is_file() {
            wrong.push(format!("{threat}: {shown:?} is no test and no file"));
        }
        let gone = named.into_iter().filter(|name| !tests.iter().any(|test| test == name));
        wrong.extend(gone.map(|name| format!("{threat}: there is no test {name}")));
    }
    assert!(rows > 20, "THREAT_MODEL.md has {rows} rows");
    none("mitigations that nothing shows", &wrong);
}

/// The names of functions that stand under a test attribute, or inside `proptest!`; of all when
/// `all`.
fn tests(code: &str, all: bool) -> Vec<String> {
    let mut names = Vec::new();
    let mut attributed = false;
    let all = all || code.contains("proptest!");
    for line in code.lines().map(str::trim) {
        if line.starts_with("#[") {
            attributed |= line.contains("test");
            continue;
        }
        let function = line
            .trim_start_matches("pub(crate) ")
            .trim_start_matches("pub ")
            .trim_start_matches("async ")
            .strip_prefix("fn ");
        if let Some(rest) = function {
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if attributed || all {
                names.push(name);
            }
        }
        if !line.is_empty() {
            attributed = false;
        }
    }
    names
}

#[test]
fn the_documents_format_is_read() {
    let text = "# A\n\n## Invariants\n\nEach.\n\n1. **One call.** It is so.\n   Test: `one_call`.\n2. **Two, three.** Tests: `a_b`, `c`.\n\n## Next\n3. **Not this.**\n";
    let found = invariants(text);
    let names: Vec<_> = found.iter().map(|item| (item.number, item.tests.join(" "))).collect();
    assert_eq!(names, [(1, "one_call".to_owned()), (2, "a_b c".to_owned())]);
    let code =
        "#[test]\nfn a() {}\nfn b() {}\n#[tokio::test(start_paused = true)]\nasync fn c() {}\n";
    assert_eq!(tests(code, false), ["a", "c"]);
}
