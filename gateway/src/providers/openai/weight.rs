//! How much content a message or delta holds, whatever its fields are called.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Content of a message or of a part of one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Weight {
    /// Whether there is any.
    pub(super) content: bool,
    /// Bytes of text: what an estimate of tokens is made of. Media count as content without bytes.
    pub(super) bytes: u64,
}

impl Weight {
    pub(super) const fn add(&mut self, other: Self) {
        self.content |= other.content;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// What a field's name says of its value.
#[derive(Clone, Copy)]
enum Field {
    /// Says what something is: no content.
    Label,
    /// Content that is not text, or that stands beside as text too.
    Opaque,
    /// A call of a tool: content from its name on.
    Call,
    /// Whatever it is, its texts are content.
    Text,
}

impl Field {
    fn named(name: &str) -> Self {
        match name {
            "role" | "type" | "id" | "index" | "format" | "name" | "obfuscation"
            | "tool_call_id" | "signature" | "annotations" | "extra_content" => Self::Label,
            "url" | "data" | "b64_json" | "reasoning_details" | "encrypted_content" => Self::Opaque,
            "tool_calls" | "function_call" => Self::Call,
            _ => Self::Text,
        }
    }
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a field")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(Field::named(name))
            }
        }
        from.deserialize_identifier(Name)
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Weigh)
    }
}

struct Weigh;

impl<'de> Visitor<'de> for Weigh {
    type Value = Weight;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_str<E>(self, text: &str) -> Result<Weight, E> {
        Ok(Weight { content: !text.is_empty(), bytes: text.len() as u64 })
    }

    fn visit_unit<E>(self) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Weight, E> {
        Ok(Weight::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Weight, A::Error> {
        let mut sum = Weight::default();
        while let Some(item) = seq.next_element::<Weight>()? {
            sum.add(item);
        }
        Ok(sum)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Weight, A::Error> {
        let mut sum = Weight::default();
        while let Some(field) = map.next_key::<Field>()? {
            match field {
                Field::Label => {
                    map.next_value::<IgnoredAny>()?;
                }
                Field::Opaque => sum.content |= map.next_value::<Weight>()?.content,
                Field::Call => {
                    let calls: &RawValue = map.next_value()?;
                    sum.content |= !matches!(calls.get(), "null" | "[]" | "{}");
                    sum.add(serde_json::from_str(calls.get()).unwrap_or_default());
                }
                Field::Text => sum.add(map.next_value()?),
            }
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_weighed() {
        for (delta, content, bytes) in [
            (r#"{"role":"assistant","content":""}"#, false, 0),
            (r#"{"role":"assistant","content":null,"reasoning_content":""}"#, false, 0),
            (r#"{}"#, false, 0),
            ("null", false, 0),
            (r#"{"content":"caf\u00e9"}"#, true, 5),
            (
                r#"{"reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm"}]}"#,
                true,
                2,
            ),
            (r#"{"content":"","obfuscation":"abc"}"#, false, 0),
            (
                r#"{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
                true,
                0,
            ),
            (r#"{"tool_calls":[],"content":""}"#, false, 0),
            (r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":1}"}}]}"#, true, 7),
            (r#"{"refusal":"no"}"#, true, 2),
            (
                r#"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}"#,
                true,
                0,
            ),
            (r#"{"audio":{"id":"a","data":"AAAA","transcript":"hi"}}"#, true, 2),
            (r#"{"a_new_field":[{"deep":"text"}],"flag":true,"n":1.5}"#, true, 4),
        ] {
            let weight: Weight = serde_json::from_str(delta).unwrap();
            assert_eq!(weight, Weight { content, bytes }, "{delta}");
        }
    }
}
