//! Which of several processes of a role this one is.

use std::fmt;
use std::str::FromStr;

use anyhow::ensure;
use processors::Share;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Config;

/// A number from 0, or a name that ends in one, as a StatefulSet names its pods.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// As it was written.
    name: String,
    number: u32,
}

impl Default for Instance {
    fn default() -> Self {
        Self { name: "0".to_owned(), number: 0 }
    }
}

/// A name without a number.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is neither a number nor a name that ends in one, such as hub-billing-2")]
pub struct Nameless(String);

impl FromStr for Instance {
    type Err = Nameless;

    fn from_str(text: &str) -> Result<Self, Nameless> {
        // only behind a hyphen: a container's random name may end in a digit, too
        let named = text.rsplit_once('-').filter(|(name, _)| !name.is_empty());
        let digits = named.map_or(text, |(_, digits)| digits);
        let digits = Some(digits).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match digits.and_then(|digits| digits.parse().ok()) {
            Some(number) => Ok(Self { name: text.to_owned(), number }),
            None => Err(Nameless(text.to_owned())),
        }
    }
}

impl Serialize for Instance {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.name)
    }
}

impl<'de> Deserialize<'de> for Instance {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Instance;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number from 0, or a name that ends in one, such as hub-billing-2")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Instance, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Instance, E> {
                self.visit_str(&number.to_string())
            }
        }
        from.deserialize_any(Text)
    }
}

impl Config {
    /// The partitions of this process.
    ///
    /// # Errors
    /// There is no such instance, or nothing would be left for one.
    pub fn share(&self) -> anyhow::Result<Share> {
        let Instance { name, number } = &self.instance;
        ensure!(self.instances > 0, "instances (HUB_INSTANCES) is 0: it must be at least 1");
        ensure!(
            *number < self.instances,
            "instance (HUB_INSTANCE) is {name}, but there are only {} instances, counted from 0: set instances (HUB_INSTANCES) to how many there are",
            self.instances
        );
        ensure!(
            self.instances <= self.log.partitions.max(1),
            "instances (HUB_INSTANCES) is {}: more than log.partitions, {}, leaves some without work",
            self.instances,
            self.log.partitions
        );
        Ok(Share { instance: *number, of: self.instances })
    }
}
