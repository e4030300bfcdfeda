//! Reads Avro straight from the bytes into a Rust type, by the writer's schema.
//!
//! Fields that the Rust type does not know are passed over, those that it has and the writer did
//! not know take their `#[serde(default)]`. (The library's reader can't pass over an enum, which
//! would forbid every reader in the field to meet a newer writer's enum.) Nothing is allocated for
//! a length that the bytes at hand can't hold.

use serde::de::value::{StrDeserializer, UnitDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::Mismatch;
use super::plan::Plan;

/// Reads one value as its plan says; takes its bytes off the input.
pub(super) struct Decoder<'a, 'de> {
    pub(super) plan: &'a Plan,
    pub(super) input: &'a mut &'de [u8],
}

#[cold]
fn cut_short() -> Mismatch {
    Mismatch("the value is cut short".into())
}

fn take_byte(input: &mut &[u8]) -> Result<u8, Mismatch> {
    let (byte, rest) = input.split_first().ok_or_else(cut_short)?;
    *input = rest;
    Ok(*byte)
}

fn take<'de>(input: &mut &'de [u8], count: usize) -> Result<&'de [u8], Mismatch> {
    let (bytes, rest) = input.split_at_checked(count).ok_or_else(cut_short)?;
    *input = rest;
    Ok(bytes)
}

/// A zigzag varint.
fn take_long(input: &mut &[u8]) -> Result<i64, Mismatch> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(input)?;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            break;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    Err(Mismatch("a number of more than 64 bits".into()))
}

fn take_bytes<'de>(input: &mut &'de [u8]) -> Result<&'de [u8], Mismatch> {
    let count = usize::try_from(take_long(input)?).map_err(|_| cut_short())?;
    take(input, count)
}

fn take_text<'de>(input: &mut &'de [u8]) -> Result<&'de str, Mismatch> {
    std::str::from_utf8(take_bytes(input)?).map_err(Mismatch::custom)
}

impl<'de> Deserializer<'de> for Decoder<'_, 'de> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let Self { plan, input } = self;
        match plan {
            Plan::Boolean => match take_byte(input)? {
                0 => visitor.visit_bool(false),
                1 => visitor.visit_bool(true),
                other => Err(Mismatch::invalid_value(
                    Unexpected::Unsigned(other.into()),
                    &"a boolean, 0 or 1",
                )),
            },
            Plan::Int => {
                let number = take_long(input)?;
                visitor.visit_i32(i32::try_from(number).map_err(Mismatch::custom)?)
            }
            Plan::Long => visitor.visit_i64(take_long(input)?),
            Plan::String => visitor.visit_borrowed_str(take_text(input)?),
            Plan::Bytes => visitor.visit_borrowed_bytes(take_bytes(input)?),
            Plan::Fixed(size) => visitor.visit_borrowed_bytes(take(input, *size)?),
            Plan::Enum(symbols) => visitor.visit_enum(Symbol { symbols, input }),
            Plan::Option { null, some, inner } => match take_long(input)? {
                index if index == *some => Decoder { plan: inner, input }.deserialize_any(visitor),
                index if index == *null => visitor.visit_none(),
                index => Err(branch(index)),
            },
            Plan::Array(inner) => visitor.visit_seq(Items { plan: inner, input, left: 0 }),
            Plan::Map(inner) => visitor.visit_map(Items { plan: inner, input, left: 0 }),
            Plan::Record(fields) => {
                visitor.visit_map(Fields { left: fields.iter(), current: None, input })
            }
        }
    }

    /// An option that its writer always had, or has only now, is read as well.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let Self { plan, input } = self;
        let Plan::Option { null, some, inner } = plan else {
            return visitor.visit_some(Decoder { plan, input });
        };
        match take_long(input)? {
            index if index == *some => visitor.visit_some(Decoder { plan: inner, input }),
            index if index == *null => visitor.visit_none(),
            index => Err(branch(index)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }

    fn is_human_readable(&self) -> bool {
        false
    }
}

#[cold]
fn branch(index: i64) -> Mismatch {
    Mismatch(format!("branch {index} of a union of two"))
}

/// The fields of a record.
struct Fields<'a, 'i, 'de> {
    left: std::slice::Iter<'a, (String, Plan)>,
    current: Option<&'a Plan>,
    input: &'i mut &'de [u8],
}

impl<'de> MapAccess<'de> for Fields<'_, '_, 'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        let Some((name, plan)) = self.left.next() else {
            return Ok(None);
        };
        self.current = Some(plan);
        let name: StrDeserializer<'_, Mismatch> = name.as_str().into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let plan = self.current.take();
        let plan = plan.ok_or_else(|| Mismatch("a value before its field".into()))?;
        seed.deserialize(Decoder { plan, input: self.input })
    }
}

/// The items of a list, or the entries of a map: blocks, each with its count before it.
struct Items<'a, 'i, 'de> {
    plan: &'a Plan,
    input: &'i mut &'de [u8],
    /// Items left in this block.
    left: u64,
}

impl Items<'_, '_, '_> {
    /// Whether there is another item.
    fn advance(&mut self) -> Result<bool, Mismatch> {
        if self.left == 0 {
            let count = take_long(self.input)?;
            if count < 0 {
                take_long(self.input)?; // the block's size, for who skips it
            }
            self.left = count.unsigned_abs();
            // each item takes a byte at least
            if self.left > self.input.len() as u64 {
                return Err(cut_short());
            }
        }
        match self.left.checked_sub(1) {
            None => Ok(false),
            Some(left) => {
                self.left = left;
                Ok(true)
            }
        }
    }

    fn hint(&self) -> Option<usize> {
        usize::try_from(self.left).ok().filter(|left| *left > 0)
    }
}

impl<'de> SeqAccess<'de> for Items<'_, '_, 'de> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        if !self.advance()? {
            return Ok(None);
        }
        let item = Decoder { plan: self.plan, input: self.input };
        seed.deserialize(item).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

impl<'de> MapAccess<'de> for Items<'_, '_, 'de> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        if !self.advance()? {
            return Ok(None);
        }
        let key = Decoder { plan: &Plan::String, input: self.input };
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        seed.deserialize(Decoder { plan: self.plan, input: self.input })
    }

    fn size_hint(&self) -> Option<usize> {
        self.hint()
    }
}

/// A symbol: its place in the writer's list.
struct Symbol<'a, 'i, 'de> {
    symbols: &'a [String],
    input: &'i mut &'de [u8],
}

impl<'de> EnumAccess<'de> for Symbol<'_, '_, 'de> {
    type Error = Mismatch;
    type Variant = NoData;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, NoData), Mismatch> {
        let index = take_long(self.input)?;
        let symbol = usize::try_from(index).ok().and_then(|index| self.symbols.get(index));
        let symbol = symbol.ok_or_else(|| {
            Mismatch(format!("symbol {index} of an enum of {}", self.symbols.len()))
        })?;
        let symbol: StrDeserializer<'_, Mismatch> = symbol.as_str().into_deserializer();
        Ok((seed.deserialize(symbol)?, NoData))
    }
}

/// What comes with a symbol.
struct NoData;

impl<'de> VariantAccess<'de> for NoData {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        // `IgnoredAny` asks so
        seed.deserialize(UnitDeserializer::new())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _length: usize, v: V) -> Result<V::Value, Mismatch> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &v))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        v: V,
    ) -> Result<V::Value, Mismatch> {
        Err(Mismatch::invalid_type(Unexpected::UnitVariant, &v))
    }
}
