//! Events to framed bytes and back, under one assignment of ids.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use apache_avro::Schema;
use arc_swap::ArcSwap;

use super::decode::Decoder;
use super::encode::Encoder;
use super::plan::Plan;
use super::{Error, Event, HEADER, Mismatch, SCHEMAS, SchemaName};

/// A version of a schema.
struct Version {
    name: SchemaName,
    plan: Plan,
}

/// Those of [`SCHEMAS`], in its order.
static VERSIONS: LazyLock<Vec<Version>> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "compiled in; a test encodes and decodes each")]
    SCHEMAS.iter().map(|(_, _, text)| Version::parse(text).expect("schema")).collect()
});

impl Version {
    fn parse(text: &str) -> Result<Self, Error> {
        let schema = Schema::parse_str(text).map_err(Mismatch::because)?;
        let record = schema.name().map(|name| name.fullname(None)).unwrap_or_default();
        let name = SchemaName::from_record(&record).ok_or(Error::Foreign(record))?;
        Ok(Self { name, plan: Plan::of(&schema)? })
    }

    /// The version of this text: one of this build's, or else kept for the life of the process.
    fn of(text: &str) -> Result<&'static Self, Error> {
        let own = SCHEMAS.iter().zip(&*VERSIONS).find(|((.., own), _)| *own == text);
        match own {
            Some((_, version)) => Ok(version),
            None => Ok(Box::leak(Box::new(Self::parse(text)?))),
        }
    }
}

/// Encodes and decodes events under one assignment of schema ids. Cheap to clone; what one clone
/// learns all of them know.
#[derive(Clone)]
pub struct Codec(Arc<Shared>);

struct Shared {
    /// What each name is written as, in the order of [`SchemaName::ALL`].
    written: Vec<(u32, &'static Version)>,
    /// What is read.
    known: ArcSwap<HashMap<u32, &'static Version>>,
    /// Told of each value with an id that is not known; none when nobody could find it.
    unknown: Option<Box<dyn Fn(u32) + Send + Sync>>,
}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codec").field("schemas", &self.0.known.load().len()).finish()
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::fixed()
    }
}

impl Codec {
    /// The codec with the fixed ids of [`SCHEMAS`].
    pub fn fixed() -> Self {
        let ids = SCHEMAS.iter().map(|(id, _, text)| (*id, *text));
        #[expect(clippy::expect_used, reason = "a test asks for each name")]
        Self::under(ids, None).expect("every name is in the table, every id once")
    }

    /// The codec under ids that a registry gave: of all of [`SCHEMAS`], and of any other versions.
    /// It writes under the id of the newest version that this build has of each schema.
    /// `unknown` is told of each value that it could not read for want of its schema, so that
    /// somebody can find it and let the codec [learn](Codec::learn) it.
    ///
    /// # Errors
    /// [`Error::Unassigned`] when a schema has no id, [`Error::Reassigned`] when an id has two
    /// schemas; and as [`Codec::learn`].
    pub fn assigned<'t>(
        schemas: impl IntoIterator<Item = (u32, &'t str)>,
        unknown: impl Fn(u32) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::under(schemas, Some(Box::new(unknown)))
    }

    fn under<'t>(
        schemas: impl IntoIterator<Item = (u32, &'t str)>,
        unknown: Option<Box<dyn Fn(u32) + Send + Sync>>,
    ) -> Result<Self, Error> {
        let mut ids = HashMap::new();
        let mut known = HashMap::new();
        for (id, text) in schemas {
            ids.insert(text, id);
            add(&mut known, id, Version::of(text)?)?;
        }
        let mut written = Vec::with_capacity(SchemaName::ALL.len());
        for name in SchemaName::ALL {
            let versions = SCHEMAS.iter().zip(&*VERSIONS).filter(|((_, of, _), _)| *of == name);
            let mut newest = Err(Error::Unassigned(name));
            for ((.., text), version) in versions {
                let id = ids.get(text).copied().ok_or(Error::Unassigned(name))?;
                newest = Ok((id, version));
            }
            written.push(newest?);
        }
        let known = ArcSwap::from_pointee(known);
        Ok(Self(Arc::new(Shared { written, known, unknown })))
    }

    /// From now on also reads what another writer, newer or older, wrote with this schema, as a
    /// schema registry gives it. Returns whose schema it is.
    ///
    /// # Errors
    /// [`Error::Foreign`] when it is no event's, [`Error::Reassigned`] when the id has another
    /// schema already, [`Error::Avro`] when the text is not a schema, or one that no event could
    /// have.
    pub fn learn(&self, id: u32, text: &str) -> Result<SchemaName, Error> {
        let version = Version::of(text)?;
        let mut added = Ok(());
        self.0.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            added = add(&mut known, id, version);
            known
        });
        added.map(|()| version.name)
    }

    /// Whether values under this id can be read.
    pub fn knows(&self, id: u32) -> bool {
        self.0.known.load().contains_key(&id)
    }

    /// Whether an id that is not known now may be known later: somebody is told of it who can ask.
    pub fn may_learn(&self) -> bool {
        self.0.unknown.is_some()
    }

    /// Appends the framed event to `out`.
    ///
    /// # Errors
    /// [`Error::Avro`] when the Rust type is not as its schema says; `out` is then as it was.
    pub fn encode<E: Event>(&self, event: &E, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some((id, version)) = self.0.written.get(E::SCHEMA as usize) else {
            return Err(Error::Unassigned(E::SCHEMA));
        };
        let start = out.len();
        out.push(0);
        out.extend_from_slice(&id.to_be_bytes());
        let encoder = Encoder { plan: &version.plan, out };
        event.serialize(encoder).map_err(|mismatch| {
            out.truncate(start);
            Error::Avro(mismatch)
        })
    }

    /// The framed event.
    ///
    /// # Errors
    /// As [`Codec::encode`].
    pub fn to_vec<E: Event>(&self, event: &E) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(512);
        self.encode(event, &mut out)?;
        Ok(out)
    }

    fn version_of(&self, value: &[u8]) -> Result<&'static Version, Error> {
        let framing = || Error::Framing(value.len(), value.first().copied());
        let Some((&[0, a, b, c, d], _)) = value.split_first_chunk::<HEADER>() else {
            return Err(framing());
        };
        let id = u32::from_be_bytes([a, b, c, d]);
        let version = self.0.known.load().get(&id).copied();
        version.ok_or_else(|| {
            if let Some(unknown) = &self.0.unknown {
                unknown(id);
            }
            Error::UnknownSchema(id)
        })
    }

    /// Which schema the framed value is of.
    ///
    /// # Errors
    /// [`Error::Framing`] or [`Error::UnknownSchema`].
    pub fn name_of(&self, value: &[u8]) -> Result<SchemaName, Error> {
        self.version_of(value).map(|version| version.name)
    }

    /// The event of a framed value, written with any version of its schema.
    ///
    /// # Errors
    /// All of [`Error`] that speaks of a value.
    pub fn decode<E: Event>(&self, value: &[u8]) -> Result<E, Error> {
        let version = self.version_of(value)?;
        if version.name != E::SCHEMA {
            return Err(Error::OtherSchema { found: version.name, wanted: E::SCHEMA });
        }
        let mut body = value.get(HEADER..).unwrap_or_default();
        let event = E::deserialize(Decoder { plan: &version.plan, input: &mut body })?;
        if body.is_empty() { Ok(event) } else { Err(Error::Trailing(body.len())) }
    }
}

/// An id never changes its meaning: the same schema in other words changes nothing, another
/// schema is an error.
fn add(
    known: &mut HashMap<u32, &'static Version>,
    id: u32,
    version: &'static Version,
) -> Result<(), Error> {
    let first = known.entry(id).or_insert(version).name;
    if first == version.name {
        return Ok(());
    }
    Err(Error::Reassigned { id, first, second: version.name })
}
