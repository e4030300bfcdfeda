//! Where the top-level fields of a JSON object stand, found in one pass over its bytes.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::Field;
use crate::error::{Error, Kind};

/// More top-level fields than this are refused.
const MAX_FIELDS: usize = 256;

/// The fields of the JSON object that `body` is, in order. The whole body is checked to be JSON;
/// values are not made into anything.
///
/// # Errors
/// [`Kind::MalformedBody`]: not JSON, not an object, a field twice, or more than 256 fields.
pub fn scan(body: &[u8]) -> Result<Vec<Field>, Error> {
    let mut problem = None;
    let mut from = serde_json::Deserializer::from_slice(body);
    let scanned = from.deserialize_map(Scan { body, problem: &mut problem });
    let scanned = scanned.and_then(|fields| from.end().map(|()| fields));
    scanned.map_err(|error| {
        let place = || format!("line {}, column {}", error.line(), error.column());
        let message: Cow<'static, str> = match (problem, error.classify()) {
            (Some(problem), _) => problem,
            (None, Category::Data) => "the request body must be a JSON object".into(),
            (None, Category::Eof) => "the request body ends inside its JSON".into(),
            (None, Category::Syntax | Category::Io) => {
                format!("the request body is not valid JSON at {}", place()).into()
            }
        };
        Error::new(Kind::MalformedBody, message)
    })
}

/// Where `part` stands in `whole`, which it is a part of.
pub(crate) fn place(whole: &[u8], part: &str) -> Range<usize> {
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start + part.len()
}

struct Scan<'a> {
    body: &'a [u8],
    problem: &'a mut Option<Cow<'static, str>>,
}

impl<'de> Visitor<'de> for Scan<'_> {
    type Value = Vec<Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<Field>, A::Error> {
        use serde::de::Error as _;
        let mut fields: Vec<Field> = Vec::with_capacity(16);
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            let (start, value) =
                (place(self.body, name.get()).start, place(self.body, value.get()));
            let name: Box<str> = serde_json::from_str(name.get()).map_err(A::Error::custom)?;
            let problem = if fields.len() == MAX_FIELDS {
                format!("the request body has more than {MAX_FIELDS} fields")
            } else if fields.iter().any(|field| field.name == name) {
                let name: String = name.chars().take(60).collect();
                format!("the request body has the field {name:?} twice")
            } else {
                fields.push(Field { name, whole: start..value.end, value });
                continue;
            };
            *self.problem = Some(problem.into());
            return Err(A::Error::custom("refused"));
        }
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_stand() {
        let body = br#" {"a" : [1, {"b":2}] ,"mod\u0065l":"x\"y", "z":null}  "#;
        let fields = scan(body).unwrap();
        let found: Vec<(&str, &str, &str)> = fields
            .iter()
            .map(|field| {
                let text =
                    |range: &Range<usize>| std::str::from_utf8(&body[range.clone()]).unwrap();
                (&*field.name, text(&field.whole), text(&field.value))
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a", r#""a" : [1, {"b":2}]"#, r#"[1, {"b":2}]"#),
                ("model", r#""mod\u0065l":"x\"y""#, r#""x\"y""#),
                ("z", r#""z":null"#, "null"),
            ]
        );
    }

    #[test]
    fn what_is_no_object_is_refused_without_repeating_it() {
        let many = format!(
            "{{{}}}",
            (0..257).map(|n| format!("\"f{n}\":1")).collect::<Vec<_>>().join(",")
        );
        for (body, says) in [
            ("", "ends inside"),
            ("{", "ends inside"),
            ("\"secret words\"", "must be a JSON object"),
            ("[1]", "must be a JSON object"),
            ("{\"a\":1,}", "not valid JSON at line 1, column 8"),
            ("{\"a\":1}x", "not valid JSON"),
            ("{\"a\":1,\"a\":2}", "\"a\" twice"),
            ("{\"a\":1,\"\\u0061\":2}", "\"a\" twice"),
            (&many, "more than 256 fields"),
        ] {
            let error = scan(body.as_bytes()).unwrap_err();
            assert!(error.message.contains(says), "{body}: {}", error.message);
            assert!(!error.message.contains("secret"));
        }
        assert!(scan(b"{\"a\":\"\xff\"}").is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(scan(deep.as_bytes()).is_ok());
    }
}
