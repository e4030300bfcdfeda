//! A schema as the encoder and the decoder need it: references resolved, nothing to look up.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, ResolvedSchema, UnionSchema};

use super::Mismatch;

/// How one value stands on the wire.
#[derive(Debug)]
pub(super) enum Plan {
    Boolean,
    Int,
    Long,
    String,
    Bytes,
    Fixed(usize),
    Enum(Vec<String>),
    /// A union of null and this.
    Option {
        null: i64,
        some: i64,
        inner: Box<Plan>,
    },
    Array(Box<Plan>),
    Map(Box<Plan>),
    Record(Vec<(String, Plan)>),
}

impl Plan {
    /// The plan of a schema.
    ///
    /// # Errors
    /// [`Mismatch`] for what no event has: floats, unions of several types, recursion.
    pub(super) fn of(schema: &Schema) -> Result<Self, Mismatch> {
        let resolved = ResolvedSchema::try_from(schema).map_err(Mismatch::because)?;
        plan(schema, resolved.get_names(), 0)
    }
}

fn unsupported(what: &str) -> Mismatch {
    Mismatch(format!("no event can have {what}"))
}

/// A record in a record in a record … of an event goes no deeper.
const DEEPEST: usize = 16;

fn plan(schema: &Schema, names: &HashMap<Name, &Schema>, depth: usize) -> Result<Plan, Mismatch> {
    let inner = |schema: &Schema| plan(schema, names, depth + 1);
    if depth > DEEPEST {
        return Err(unsupported("a recursive schema"));
    }
    Ok(match schema {
        Schema::Boolean => Plan::Boolean,
        Schema::Int | Schema::Date | Schema::TimeMillis => Plan::Int,
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos => Plan::Long,
        Schema::String => Plan::String,
        Schema::Bytes => Plan::Bytes,
        Schema::Fixed(fixed) => Plan::Fixed(fixed.size),
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => Plan::Fixed(fixed.size),
            InnerDecimalSchema::Bytes => Plan::Bytes,
        },
        Schema::Enum(symbols) => Plan::Enum(symbols.symbols.clone()),
        Schema::Array(array) => Plan::Array(Box::new(inner(&array.items)?)),
        Schema::Map(map) => Plan::Map(Box::new(inner(&map.types)?)),
        Schema::Record(record) => {
            let fields = record.fields.iter();
            let fields = fields.map(|field| Ok((field.name.clone(), inner(&field.schema)?)));
            Plan::Record(fields.collect::<Result<_, Mismatch>>()?)
        }
        Schema::Union(union) => return option(union, inner),
        Schema::Ref { name } => match names.get(name) {
            Some(schema) => return inner(schema),
            None => return Err(unsupported(&format!("{name}, which is not declared"))),
        },
        other => return Err(unsupported(&format!("{other:?}"))),
    })
}

fn option(
    union: &UnionSchema,
    inner: impl Fn(&Schema) -> Result<Plan, Mismatch>,
) -> Result<Plan, Mismatch> {
    let (null, some, schema) = match union.variants() {
        [Schema::Null, schema] => (0, 1, schema),
        [schema, Schema::Null] => (1, 0, schema),
        _ => {
            return Err(unsupported("a union that is not null and one other"));
        }
    };
    Ok(Plan::Option { null, some, inner: Box::new(inner(schema)?) })
}
