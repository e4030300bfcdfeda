//! Writes a Rust value as Avro in one pass.
//!
//! The library's serializer looks every field up by name and hashes every position, which makes a
//! usage event cost 4 µs. The types of [`crate::event`] have their fields in the order of the
//! schema, so that nothing needs to be looked up: a field out of order is an error here, and the
//! examples in `schemas/examples`, which another implementation wrote, hold the bytes.

use serde::ser::{
    Error as _, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, Serializer,
};

use super::Mismatch;
use super::plan::Plan;

#[cold]
fn mismatch(found: &str, plan: &Plan) -> Mismatch {
    Mismatch(format!("{found} where the schema has {plan:?}"))
}

/// Writes one value as its plan says.
pub(super) struct Encoder<'a> {
    pub(super) plan: &'a Plan,
    pub(super) out: &'a mut Vec<u8>,
}

/// A zigzag varint.
fn put_long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest > 0x7f {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

fn put_count(out: &mut Vec<u8>, count: usize) -> Result<(), Mismatch> {
    let count = i64::try_from(count).map_err(Mismatch::custom)?;
    put_long(out, count);
    Ok(())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Mismatch> {
    put_count(out, bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}

impl Encoder<'_> {
    fn integer(self, number: i64) -> Result<(), Mismatch> {
        match self.plan {
            Plan::Long => {}
            Plan::Int if i32::try_from(number).is_ok() => {}
            plan => return Err(mismatch("an integer", plan)),
        }
        put_long(self.out, number);
        Ok(())
    }
}

macro_rules! integers {
    ($($ask:ident $type:ty),*) => {$(
        fn $ask(self, number: $type) -> Result<(), Mismatch> {
            self.integer(number.into())
        }
    )*};
}

macro_rules! refused {
    ($($ask:ident($($type:ty),*) -> $answer:ty, $what:literal;)*) => {$(
        fn $ask(self, $(_: $type),*) -> Result<$answer, Mismatch> {
            Err(mismatch($what, self.plan))
        }
    )*};
}

impl<'a> Serializer for Encoder<'a> {
    type Ok = ();
    type Error = Mismatch;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Impossible<(), Mismatch>;
    type SerializeTupleStruct = Impossible<(), Mismatch>;
    type SerializeTupleVariant = Impossible<(), Mismatch>;
    type SerializeMap = Items<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Impossible<(), Mismatch>;

    integers! {
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32
    }

    refused! {
        serialize_f32(f32) -> (), "a float";
        serialize_f64(f64) -> (), "a float";
        serialize_char(char) -> (), "a character";
        serialize_unit() -> (), "a unit";
        serialize_unit_struct(&'static str) -> (), "a unit struct";
        serialize_tuple(usize) -> Self::SerializeTuple, "a tuple";
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct, "a tuple";
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeTupleVariant, "a variant with data";
        serialize_struct_variant(&'static str, u32, &'static str, usize)
            -> Self::SerializeStructVariant, "a variant with data";
    }

    fn serialize_u64(self, number: u64) -> Result<(), Mismatch> {
        let number = i64::try_from(number).map_err(Mismatch::custom)?;
        self.integer(number)
    }

    fn serialize_bool(self, value: bool) -> Result<(), Mismatch> {
        match self.plan {
            Plan::Boolean => self.out.push(value.into()),
            plan => return Err(mismatch("a boolean", plan)),
        }
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), Mismatch> {
        match self.plan {
            Plan::String => put_bytes(self.out, text.as_bytes()),
            plan => Err(mismatch("a text", plan)),
        }
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), Mismatch> {
        match self.plan {
            Plan::Bytes => put_bytes(self.out, bytes),
            Plan::Fixed(size) if *size == bytes.len() => {
                self.out.extend_from_slice(bytes);
                Ok(())
            }
            plan => Err(mismatch("bytes", plan)),
        }
    }

    fn serialize_none(self) -> Result<(), Mismatch> {
        match self.plan {
            Plan::Option { null, .. } => put_long(self.out, *null),
            plan => return Err(mismatch("none", plan)),
        }
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Mismatch> {
        match self.plan {
            Plan::Option { some, inner, .. } => {
                put_long(self.out, *some);
                value.serialize(Encoder { plan: inner, out: self.out })
            }
            plan => Err(mismatch("some", plan)),
        }
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        index: u32,
        symbol: &'static str,
    ) -> Result<(), Mismatch> {
        let Plan::Enum(symbols) = self.plan else {
            return Err(mismatch("a symbol", self.plan));
        };
        let index = index as usize;
        let here = symbols.get(index).is_some_and(|known| known == symbol);
        let index = if here { Some(index) } else { symbols.iter().position(|one| one == symbol) };
        put_count(self.out, index.ok_or_else(|| mismatch(symbol, self.plan))?)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), Mismatch> {
        Err(mismatch("a variant with data", self.plan))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Items<'a>, Mismatch> {
        match self.plan {
            Plan::Array(inner) => Items::start(inner, self.out, length),
            plan => Err(mismatch("a list", plan)),
        }
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Items<'a>, Mismatch> {
        match self.plan {
            Plan::Map(inner) => Items::start(inner, self.out, length),
            plan => Err(mismatch("a map", plan)),
        }
    }

    fn serialize_struct(self, _name: &'static str, _length: usize) -> Result<Fields<'a>, Mismatch> {
        match self.plan {
            Plan::Record(fields) => Ok(Fields { left: fields.iter(), out: self.out }),
            plan => Err(mismatch("a struct", plan)),
        }
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

/// The fields of a record.
pub(super) struct Fields<'a> {
    left: std::slice::Iter<'a, (String, Plan)>,
    out: &'a mut Vec<u8>,
}

impl SerializeStruct for Fields<'_> {
    type Ok = ();
    type Error = Mismatch;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Mismatch> {
        match self.left.next() {
            Some((known, plan)) if known == name => {
                value.serialize(Encoder { plan, out: self.out })
            }
            other => {
                let known = other.map(|(known, _)| known);
                Err(Mismatch(format!("field {name} where the schema has {known:?}")))
            }
        }
    }

    fn end(mut self) -> Result<(), Mismatch> {
        match self.left.next() {
            None => Ok(()),
            Some((known, _)) => Err(Mismatch(format!("no field {known}"))),
        }
    }
}

/// The items of a list or map: one block, its count first.
pub(super) struct Items<'a> {
    plan: &'a Plan,
    out: &'a mut Vec<u8>,
    /// Items that must still come.
    left: usize,
}

impl<'a> Items<'a> {
    fn start(
        plan: &'a Plan,
        out: &'a mut Vec<u8>,
        length: Option<usize>,
    ) -> Result<Self, Mismatch> {
        let left = length.ok_or_else(|| Mismatch("a list of unknown length".into()))?;
        if left > 0 {
            put_count(out, left)?;
        }
        Ok(Self { plan, out, left })
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        let less = self.left.checked_sub(1);
        self.left = less.ok_or_else(|| Mismatch("more items than told".into()))?;
        value.serialize(Encoder { plan: self.plan, out: self.out })
    }

    fn finish(self) -> Result<(), Mismatch> {
        if self.left > 0 {
            return Err(Mismatch("fewer items than told".into()));
        }
        self.out.push(0);
        Ok(())
    }
}

impl SerializeSeq for Items<'_> {
    type Ok = ();
    type Error = Mismatch;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        self.item(value)
    }

    fn end(self) -> Result<(), Mismatch> {
        self.finish()
    }
}

impl SerializeMap for Items<'_> {
    type Ok = ();
    type Error = Mismatch;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Mismatch> {
        key.serialize(Encoder { plan: &Plan::String, out: self.out })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Mismatch> {
        self.item(value)
    }

    fn end(self) -> Result<(), Mismatch> {
        self.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use apache_avro::Schema;
    use apache_avro::writer::datum::GenericDatumWriter;
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct All {
        flag: bool,
        small: i32,
        large: i64,
        text: String,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
        none: Option<i64>,
        some: Option<&'static str>,
        last: Option<i32>,
        list: Vec<Part>,
        empty: Vec<i64>,
        map: BTreeMap<&'static str, i64>,
    }

    #[derive(Serialize)]
    struct Part {
        number: i64,
        kind: Kind,
    }

    #[derive(Clone, Copy, Serialize)]
    enum Kind {
        A,
        B,
    }

    const SCHEMA: &str = r#"{"type": "record", "name": "All", "fields": [
        {"name": "flag", "type": "boolean"}, {"name": "small", "type": "int"},
        {"name": "large", "type": "long"}, {"name": "text", "type": "string"},
        {"name": "bytes", "type": "bytes"}, {"name": "none", "type": ["null", "long"]},
        {"name": "some", "type": ["null", "string"]}, {"name": "last", "type": ["int", "null"]},
        {"name": "list", "type": {"type": "array", "items": {"type": "record", "name": "Part",
            "fields": [{"name": "number", "type": "long"},
                {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["B", "A"]}}]}}},
        {"name": "empty", "type": {"type": "array", "items": "long"}},
        {"name": "map", "type": {"type": "map", "values": "long"}}]}"#;

    fn encode(schema: &str, value: &impl Serialize) -> Result<Vec<u8>, String> {
        let plan =
            Plan::of(&Schema::parse_str(schema).unwrap()).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        let encoder = Encoder { plan: &plan, out: &mut out };
        value.serialize(encoder).map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn writes_what_the_library_writes() {
        for number in [0, 1, -1, 63, -64, 64, -65, 8191, 8192, i64::MAX, i64::MIN] {
            let part = |kind| Part { number, kind };
            let all = All {
                flag: number % 2 == 0,
                small: i32::try_from(number).unwrap_or(i32::MIN),
                large: number,
                text: "ä".repeat(usize::try_from(number.clamp(0, 9000)).unwrap()),
                bytes: number.to_le_bytes().to_vec(),
                none: None,
                some: Some("x"),
                last: Some(5),
                list: vec![part(Kind::A), part(Kind::B)],
                empty: vec![],
                map: BTreeMap::from([("a", number), ("b", 0)]),
            };
            let schema = Schema::parse_str(SCHEMA).unwrap();
            let library = GenericDatumWriter::builder(&schema).human_readable(false).build();
            let wanted = library.unwrap().write_ser_to_vec(&all).unwrap();
            assert_eq!(encode(SCHEMA, &all).unwrap(), wanted, "{number}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let record =
            |fields: &str| format!(r#"{{"type": "record", "name": "Part", "fields": [{fields}]}}"#);
        let number = r#"{"name": "number", "type": "long"}"#;
        let kind = r#"{"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A"]}}"#;
        let part = |kind| Part { number: 1 << 40, kind };
        for (fields, kind, wanted) in [
            (format!("{number}, {kind}"), Kind::A, Ok(())),
            (format!("{number}, {kind}"), Kind::B, Err("B where the schema has Enum([\"A\"])")),
            (
                format!("{kind}, {number}"),
                Kind::A,
                Err("field number where the schema has Some(\"kind\")"),
            ),
            (number.into(), Kind::A, Err("field kind where the schema has None")),
            (
                format!(r#"{number}, {kind}, {{"name": "more", "type": "long"}}"#),
                Kind::A,
                Err("no field more"),
            ),
            (
                format!(r#"{{"name": "number", "type": "int"}}, {kind}"#),
                Kind::A,
                Err("an integer where the schema has Int"),
            ),
            (
                r#"{"name": "number", "type": "double"}"#.into(),
                Kind::A,
                Err("no event can have Double"),
            ),
        ] {
            let found = encode(&record(&fields), &part(kind)).map(drop);
            assert_eq!(found, wanted.map_err(String::from), "{fields}");
        }
    }
}
