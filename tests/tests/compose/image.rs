//! The image that the hub's roles run in, by its Dockerfile.

use std::collections::BTreeMap;

use crate::file::{compose, text};

/// What the last stage of the Dockerfile says.
pub(crate) struct Image {
    lines: Vec<(String, String)>,
}

impl Image {
    /// The hub's.
    pub(crate) fn of_the_hub() -> Self {
        let joined = text("infra/deploy/Dockerfile").replace("\\\n", " ");
        let lines = joined.lines().filter_map(|line| line.split_once(' '));
        let lines: Vec<_> = lines.map(|(word, rest)| (word.to_owned(), rest.to_owned())).collect();
        let last = lines.iter().rposition(|(word, _)| word == "FROM").unwrap();
        Self { lines: lines[last..].to_vec() }
    }

    /// What follows an instruction.
    pub(crate) fn says(&self, instruction: &str) -> &str {
        let found = self.lines.iter().rfind(|(word, _)| word == instruction);
        &found.unwrap_or_else(|| panic!("the image has no {instruction}")).1
    }

    /// The list that an instruction ends with.
    pub(crate) fn list(&self, instruction: &str) -> Vec<String> {
        let (_, list) = self.says(instruction).split_once('[').unwrap();
        serde_json::from_str(&format!("[{list}")).unwrap()
    }

    /// Its variables.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let pairs = self.says("ENV").split_whitespace().map(|pair| pair.split_once('=').unwrap());
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

#[test]
fn the_image_is_not_root_and_knows_whether_it_is_well() {
    let (image, compose) = (Image::of_the_hub(), compose());
    assert_eq!(image.list("ENTRYPOINT"), ["hub"]);
    for (name, hub) in compose.hubs() {
        assert_eq!(hub.user.as_deref(), Some(image.says("USER")), "{name}");
        let [kind, test @ ..] = &hub.healthcheck.test[..] else { panic!("{name}: no test") };
        assert_eq!((kind.as_str(), test), ("CMD", &image.list("HEALTHCHECK")[..]), "{name}");
    }
    let (user, _) = image.says("USER").split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 1000, "{user}");
    assert!(image.says("RUN").contains(&format!("useradd --uid {user} ")));
}

#[test]
fn the_image_is_built_with_a_compiler_that_is_new_enough() {
    let dockerfile = text("infra/deploy/Dockerfile");
    let (_, tag) = dockerfile.split_once("FROM rust:").unwrap();
    let built = version(tag.split('-').next().unwrap());
    let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
    let least = version(manifest["workspace"]["package"]["rust-version"].as_str().unwrap());
    assert!(built >= least, "rust:{built:?} builds what wants {least:?}");
}

fn version(text: &str) -> Vec<u32> {
    text.split('.').map(|part| part.parse().unwrap()).collect()
}
