//! A deserializer that answers every question with a sample, to hear which questions are asked.
//!
//! A derived `Deserialize` asks for its fields by name and for each value by type; the probe
//! writes both down. A sample that a value refuses (an empty text is no socket address) ends the
//! pass; what was asked until then is known, so that the next pass leaves it out and comes
//! further. A field that is left out may fail its struct, but only behind its last field.

use serde::de::value::{Error, StrDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected,
    IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::shape::{Node, Shape};

/// A type that holds itself is looked into so far.
const DEEPEST: usize = 8;

/// What `T` looks like.
pub(super) fn shape_of<T: DeserializeOwned>() -> Node {
    let mut root = Node::default();
    loop {
        let known = count(&root);
        let all = T::deserialize(Probe { node: &mut root, depth: 0 }).is_ok();
        if all || root.done || count(&root) == known {
            return root;
        }
    }
}

fn count(node: &Node) -> usize {
    let below = match &node.shape {
        Shape::Table(fields) => fields.iter().map(|(_, field)| 1 + count(field)).sum(),
        Shape::List(inner) | Shape::Map(inner) => 1 + count(inner),
        _ => 0,
    };
    below + usize::from(node.done)
}

struct Probe<'a> {
    node: &'a mut Node,
    depth: usize,
}

impl<'a> Probe<'a> {
    fn leaf<'de>(self, shape: Shape, visitor: &impl Visitor<'de>) {
        let expected: &dyn Expected = visitor;
        self.node.expects = expected.to_string();
        self.node.shape = shape;
        self.node.done = true;
    }

    fn list<'de, V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Error> {
        if self.depth == DEEPEST {
            self.leaf(Shape::Any, &visitor);
            return visitor.visit_unit();
        }
        if !matches!(self.node.shape, Shape::List(_)) {
            self.node.shape = Shape::List(Box::default());
        }
        let Shape::List(inner) = &mut self.node.shape else {
            return Err(Error::custom("made above"));
        };
        let answer = visitor.visit_seq(Items { inner, left: length, depth: self.depth + 1 });
        self.node.done = answer.is_ok() || inner.done;
        answer
    }
}

macro_rules! integers {
    ($($ask:ident $visit:ident $type:ty),*) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let shape = Shape::Integer {
                min: <$type>::MIN.into(),
                max: <$type>::MAX.into(),
            };
            self.leaf(shape, &visitor);
            visitor.$visit(0)
        }
    )*};
}

macro_rules! leaves {
    ($($ask:ident $shape:ident $visit:ident ($($sample:expr)?)),*) => {$(
        fn $ask<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.leaf(Shape::$shape, &visitor);
            visitor.$visit($($sample)?)
        }
    )*};
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    integers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16,
        deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16,
        deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64
    }

    leaves! {
        deserialize_any Any visit_unit(), deserialize_ignored_any Any visit_unit(),
        deserialize_unit Any visit_unit(), deserialize_bytes Any visit_unit(),
        deserialize_byte_buf Any visit_unit(),
        deserialize_bool Bool visit_bool(false),
        deserialize_f32 Float visit_f32(0.0), deserialize_f64 Float visit_f64(0.0),
        deserialize_char Text visit_char('a'), deserialize_identifier Text visit_str(""),
        deserialize_str Text visit_str(""), deserialize_string Text visit_str("")
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.node.optional = true;
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.list(1, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.depth == DEEPEST {
            self.leaf(Shape::Any, &visitor);
            return visitor.visit_unit();
        }
        if !matches!(self.node.shape, Shape::Map(_)) {
            self.node.shape = Shape::Map(Box::default());
        }
        let Shape::Map(inner) = &mut self.node.shape else {
            return Err(Error::custom("made above"));
        };
        let entry = Entry { value: Some(inner), depth: self.depth + 1 };
        let answer = visitor.visit_map(entry);
        self.node.done = answer.is_ok() || inner.done;
        answer
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.depth == DEEPEST {
            self.leaf(Shape::Any, &visitor);
            return visitor.visit_unit();
        }
        if !matches!(self.node.shape, Shape::Table(_)) {
            let fields = names.iter().map(|name| (*name, Node::default()));
            self.node.shape = Shape::Table(fields.collect());
        }
        let Shape::Table(fields) = &mut self.node.shape else {
            return Err(Error::custom("made above"));
        };
        let answer = visitor.visit_map(Fields {
            left: fields.iter_mut(),
            current: None,
            depth: self.depth + 1,
        });
        self.node.done = answer.is_ok() || fields.iter().all(|(_, field)| field.done);
        answer
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.leaf(Shape::Choice(names), &visitor);
        visitor.visit_enum(Variant(names.first().copied().unwrap_or_default()))
    }
}

/// Fields of a struct that are not known yet.
struct Fields<'a> {
    left: std::slice::IterMut<'a, (&'static str, Node)>,
    current: Option<&'a mut Node>,
    depth: usize,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, node)) = self.left.find(|(_, field)| !field.done) else {
            return Ok(None);
        };
        self.current = Some(node);
        let name: StrDeserializer<'_, Error> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self.current.take();
        let node = node.ok_or_else(|| Error::custom("a value before its key"))?;
        seed.deserialize(Probe { node, depth: self.depth })
    }
}

/// One entry of a map.
struct Entry<'a> {
    value: Option<&'a mut Node>,
    depth: usize,
}

impl<'de> MapAccess<'de> for Entry<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if self.value.is_none() {
            return Ok(None);
        }
        let name: StrDeserializer<'_, Error> = "a".into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let node = self.value.take();
        let node = node.ok_or_else(|| Error::custom("a value before its key"))?;
        seed.deserialize(Probe { node, depth: self.depth })
    }
}

/// Items of a list: each is asked of the same node.
struct Items<'a> {
    inner: &'a mut Node,
    left: usize,
    depth: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else {
            return Ok(None);
        };
        self.left = left;
        let probe = Probe { node: self.inner, depth: self.depth };
        seed.deserialize(probe).map(Some)
    }
}

/// The first variant of an enum.
struct Variant(&'static str);

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name: StrDeserializer<'_, Error> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _seed: T) -> Result<T::Value, Error> {
        Err(Error::custom("left to serde"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, _v: V) -> Result<V::Value, Error> {
        Err(Error::custom("left to serde"))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        Err(Error::custom("left to serde"))
    }
}
