//! Who may depend on whom, by the manifests. A package may name itself: its tests then see what a
//! feature adds.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::tree::{files, none, root};

/// Folder, package, and the siblings that it may use.
const PACKAGES: [(&str, &str, &[&str]); 10] = [
    ("schemas", "schemas", &[]),
    ("infra/runtime", "runtime", &["schemas"]),
    ("gateway", "gateway", &["schemas", "runtime"]),
    ("infra/control", "control", &["schemas", "runtime", "gateway"]),
    ("infra/admin", "admin", &["schemas", "runtime", "gateway", "control"]),
    ("analytics", "analytics", &["schemas", "runtime"]),
    ("processors", "processors", &["schemas", "runtime", "analytics"]),
    (
        "infra/hub",
        "hub",
        &["schemas", "runtime", "gateway", "control", "admin", "processors", "analytics"],
    ),
    ("tests/sim", "sim", &["schemas", "runtime", "gateway", "processors"]),
    ("tests", "e2e", &["schemas", "runtime", "gateway", "processors", "analytics", "hub"]),
];

/// Manifests that are no members: they need another toolchain.
const APART: [&str; 1] = ["gateway/fuzz"];

/// Libraries that only some packages may use directly.
const FENCED: [(&str, &[&str]); 8] = [
    ("apache-avro", &["schemas"]),
    ("rusqlite", &["runtime", "e2e"]), // the tests hold the local log still
    ("rdkafka", &["runtime"]),
    ("prometheus-client", &["runtime"]),
    ("axum", &["gateway", "analytics", "admin", "hub"]),
    ("memmap2", &["gateway"]),
    ("libloading", &["hub"]),
    ("anyhow", &["hub", "e2e", "sim"]),
];

fn manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all direct dependencies, of whatever kind and target.
fn dependencies(manifest: &Table) -> BTreeSet<String> {
    let mut tables = vec![manifest.clone()];
    if let Some(Value::Table(targets)) = manifest.get("target") {
        tables.extend(targets.values().filter_map(Value::as_table).cloned());
    }
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    tables
        .iter()
        .flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flat_map(|table| table.keys().cloned())
        .collect()
}

#[test]
fn packages_depend_only_downwards() {
    let mut wrong = Vec::new();
    for (folder, name, allowed) in PACKAGES {
        for used in dependencies(&manifest(folder)) {
            let sibling = PACKAGES.iter().any(|(_, sibling, _)| *sibling == used);
            if sibling && used != name && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{name} uses {used}; it may use only {allowed:?}"));
            }
        }
    }
    none("dependencies against the layering", &wrong);
}

#[test]
fn libraries_stay_behind_their_wrappers() {
    let mut wrong = Vec::new();
    for (folder, name, _) in PACKAGES {
        let used = dependencies(&manifest(folder));
        for (library, allowed) in FENCED {
            if used.contains(library) && !allowed.contains(&name) {
                wrong.push(format!("{name} uses {library}; only {allowed:?} may"));
            }
        }
    }
    none("libraries outside their wrappers", &wrong);
}

#[test]
fn every_package_is_known_and_takes_the_lints_of_the_workspace() {
    let workspace = manifest("");
    let members: BTreeSet<&str> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(members, PACKAGES.iter().map(|(folder, ..)| *folder).collect());
    let manifests: BTreeSet<&str> =
        files().iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml")).collect();
    let known: BTreeSet<&str> = members.iter().copied().chain(APART).collect();
    assert_eq!(known, manifests, "every manifest is a member, or apart");
    for (folder, name, _) in PACKAGES {
        let manifest = manifest(folder);
        assert_eq!(manifest["package"]["name"].as_str(), Some(name));
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(
            lints.and_then(Value::as_bool),
            Some(true),
            "{folder}: [lints] workspace = true"
        );
    }
}

#[test]
fn versions_stand_in_the_workspace_alone() {
    let mut wrong = Vec::new();
    for (folder, name, _) in PACKAGES {
        let manifest = manifest(folder);
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(kind).and_then(Value::as_table) else {
                continue;
            };
            let own = |value: &Value| value.get("workspace").and_then(Value::as_bool) != Some(true);
            let named = table.iter().filter(|(library, value)| *library != name && own(value));
            wrong.extend(named.map(|(library, _)| format!("{name}: {library}")));
        }
    }
    none("dependencies with a version of their own", &wrong);
}

#[test]
fn cargo_deny_is_configured() {
    let text = std::fs::read_to_string(root().join(".deny.toml")).unwrap();
    let deny: Table = text.parse().unwrap();
    for part in ["graph", "advisories", "licenses", "bans", "sources"] {
        assert!(deny.contains_key(part), ".deny.toml has no [{part}]");
    }
    let bans = deny["bans"]["deny"].as_array().unwrap();
    for library in ["rusqlite", "rdkafka", "apache-avro"] {
        let ban = bans.iter().find(|ban| ban["crate"].as_str() == Some(library));
        assert!(ban.is_some_and(|ban| ban.get("wrappers").is_some()), "no wrappers for {library}");
    }
}
