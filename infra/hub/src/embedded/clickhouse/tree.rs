//! The functions that a text calls, as the engine's own parser sees them (`EXPLAIN AST`).
//!
//! Access control comes too late for two kinds of them: some table functions touch their path while they are resolved (`sqlite` makes
//! an empty file before it asks for the right), and the scalar `file` never asks. The read-only role may therefore name only table
//! functions that make their rows themselves.

use std::collections::HashSet;

/// Table functions that read nothing but their arguments and tables that the grants guard.
const HARMLESS: [&str; 15] = [
    "numbers",
    "numbers_mt",
    "zeros",
    "zeros_mt",
    "generateseries",
    "generate_series",
    "generaterandom",
    "primes",
    "values",
    "null",
    "view",
    "viewexplain",
    "merge",
    "format",
    "dictionary",
];

/// The names that the read-only role may not call, lowercase, of all table functions that the engine has.
pub(crate) fn forbidden<'n>(table_functions: impl Iterator<Item = &'n str>) -> HashSet<String> {
    let lower = table_functions.map(str::to_ascii_lowercase);
    lower
        .filter(|name| !HARMLESS.contains(&name.as_str()))
        .chain(["file".to_owned(), "catboostevaluate".to_owned()])
        .collect()
}

/// The first forbidden function in a dump of the tree.
pub(crate) fn first_forbidden<'d>(dump: &'d str, forbidden: &HashSet<String>) -> Option<&'d str> {
    // Wherever the word stands, not only at the head of a line: an alias cannot hide it, at worst it is refused for its alias.
    dump.split("Function ").skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let name = rest.get(..end)?;
        forbidden.contains(&name.to_ascii_lowercase()).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_reaches_outside() {
        let forbidden = forbidden(["numbers", "sqlite", "s3", "url"].into_iter());
        let cases = [
            ("TableExpression (children 1)\n  Function sqlite (children 1)", Some("sqlite")),
            ("Function in (children 1)\n Function S3 (children 1)", Some("S3")),
            ("Function file (children 1)", Some("file")),
            ("Function numbers (children 1)\n Literal 'sqlite'\n Identifier url", None),
            ("Function filesystemPath", None),
            ("Function ", None),
        ];
        for (dump, found) in cases {
            assert_eq!(first_forbidden(dump, &forbidden), found, "{dump}");
        }
    }
}
