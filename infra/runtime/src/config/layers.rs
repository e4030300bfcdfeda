//! Lays the file and the environment over the defaults, and remembers who said what.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::PREFIX;
use super::error::{Error, Hint, Place};
use super::shape::{Node, Shape, found, join};

/// The variable of a field.
pub(super) fn variable(path: &str) -> String {
    let name = path.replace(['.', '-'], "_").to_ascii_uppercase();
    format!("{PREFIX}{name}")
}

pub(super) struct Layers<'a> {
    root: &'a Node,
    /// Variable → path and description of its field.
    variables: BTreeMap<String, (String, &'a Node)>,
    values: Table,
    places: BTreeMap<String, Place>,
    errors: Vec<Error>,
}

impl<'a> Layers<'a> {
    pub(super) fn new(root: &'a Node, default: &impl Serialize) -> Result<Self, Error> {
        let mut leaves = Vec::new();
        root.leaves("", &mut leaves);
        let mut variables = BTreeMap::new();
        for (path, node) in leaves {
            let name = variable(&path);
            if let Some((other, _)) = variables.insert(name.clone(), (path.clone(), node)) {
                return Err(Error::Type(format!("{path} and {other} share {name}")));
            }
        }
        Ok(Self {
            root,
            variables,
            values: Table::try_from(default).map_err(|error| Error::Type(error.to_string()))?,
            places: BTreeMap::new(),
            errors: Vec::new(),
        })
    }

    /// Lays a file over what there is.
    pub(super) fn file(&mut self, path: &Path, text: &str) -> Result<(), Error> {
        let syntax = |error: toml::de::Error| Error::Syntax {
            place: place(path, text, error.span().unwrap_or_default()),
            // not its `Display`: that prints the line, which may hold a secret
            reason: error.message().to_owned(),
        };
        let spans = DeTable::parse(text).map_err(syntax)?;
        let values: Table = toml::from_str(text).map_err(syntax)?;
        locate(spans.get_ref(), "", &mut |field, span| {
            self.places.insert(field, place(path, text, span));
        });
        self.check_table(self.root, "", &values);
        merge_table(self.root, &mut self.values, values);
        Ok(())
    }

    /// Lays variables over what there is.
    pub(super) fn environment(
        &mut self,
        env: impl IntoIterator<Item = (String, String)>,
        ignored: &[&str],
    ) {
        let is_ignored = |name: &str| {
            ignored.iter().any(|known| match known.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == *known,
            })
        };
        for (name, text) in env {
            if !name.starts_with(PREFIX) || is_ignored(&name) {
                continue;
            }
            match self.variables.get(&name) {
                Some((path, node)) => self.assign(name, path.clone(), node, &text),
                None => self.errors.push(self.unknown_variable(name)),
            }
        }
    }

    /// The settings.
    pub(super) fn finish<T: DeserializeOwned>(mut self) -> Result<T, Error> {
        if self.errors.is_empty() {
            match serde_path_to_error::deserialize(Value::Table(self.values.clone())) {
                Ok(settings) => return Ok(settings),
                Err(error) => self.errors.push(self.invalid(&error)),
            }
        }
        match self.errors.len() {
            1 => Err(self.errors.remove(0)),
            _ => Err(Error::Several(self.errors)),
        }
    }

    fn assign(&mut self, name: String, field: String, node: &Node, text: &str) {
        if !node.settable() {
            self.errors.push(Error::FileOnly { name, field });
        } else if node.optional && text.is_empty() {
            put(&mut self.values, &field, None);
        } else if let Some(value) = parse(node, text) {
            self.places.insert(field.clone(), Place::Variable(name));
            put(&mut self.values, &field, Some(value));
        } else {
            self.errors.push(Error::WrongType {
                place: Place::Variable(name),
                field,
                found: format!("{text:?}"),
                wanted: node.wanted(),
            });
        }
    }

    fn check_table(&mut self, node: &Node, path: &str, table: &Table) {
        for (name, value) in table {
            let field = join(path, name);
            match &node.shape {
                Shape::Table(fields) => match field_of(fields, name) {
                    Some(inner) => self.check(inner, field, value),
                    None => self.errors.push(self.unknown_field(node, path, name)),
                },
                Shape::Map(inner) => self.check(inner, field, value),
                _ => {}
            }
        }
    }

    fn check(&mut self, node: &Node, field: String, value: &Value) {
        if !node.fits(value) {
            self.errors.push(Error::WrongType {
                place: self.place_of(&field),
                field,
                found: found(value, &node.shape),
                wanted: node.wanted(),
            });
            return;
        }
        match (&node.shape, value) {
            (_, Value::Table(table)) => self.check_table(node, &field, table),
            (Shape::List(inner), Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.check(inner, format!("{field}[{index}]"), item);
                }
            }
            _ => {}
        }
    }

    fn unknown_field(&self, table: &Node, path: &str, name: &str) -> Error {
        let elsewhere = || {
            let same = |field: &&String| field.rsplit('.').next() == Some(name);
            self.variables.values().map(|(field, _)| field).find(same)
        };
        let hint = match (Hint::nearest(name, table.names()), elsewhere()) {
            (Some(near), _) => Hint::Nearest(join(path, near)),
            (None, Some(field)) => Hint::Nearest(field.clone()),
            (None, None) => Hint::Known(table.names().map(str::to_owned).collect()),
        };
        let field = join(path, name);
        Error::UnknownField { place: self.place_of(&field), field, hint }
    }

    fn unknown_variable(&self, name: String) -> Error {
        let hint = Hint::nearest(&name, self.variables.keys().map(String::as_str))
            .map_or(Hint::None, |near| Hint::Nearest(near.to_owned()));
        Error::UnknownVariable { name, hint }
    }

    fn invalid(&self, error: &serde_path_to_error::Error<toml::de::Error>) -> Error {
        let field = error.path().to_string();
        let value = at(&self.values, &field).and_then(Value::as_str);
        let hint = match (self.root.at(&field).map(|node| &node.shape), value) {
            (Some(Shape::Choice(names)), Some(text)) => Hint::nearest(text, names.iter().copied())
                .map_or(Hint::None, |near| Hint::Nearest(near.to_owned())),
            _ => Hint::None,
        };
        let reason = error.inner().message().to_owned();
        Error::Invalid { place: self.place_of(&field), field, reason, hint }
    }

    /// Where the field, or the nearest table around it, was written.
    fn place_of(&self, field: &str) -> Place {
        let mut path = field;
        loop {
            match (self.places.get(path), path.rfind(['.', '['])) {
                (Some(place), _) => return place.clone(),
                (None, Some(end)) => path = path.split_at(end).0,
                (None, None) => return Place::Default,
            }
        }
    }
}

/// The value of a variable, read as the type of its field; `None` when it is not one.
fn parse(node: &Node, text: &str) -> Option<Value> {
    let value = match &node.shape {
        Shape::Bool => Value::Boolean(match text.trim() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => return None,
        }),
        Shape::Integer { .. } => Value::Integer(text.trim().replace('_', "").parse().ok()?),
        Shape::Float => Value::Float(text.trim().parse().ok()?),
        Shape::Any | Shape::Text | Shape::Choice(_) => Value::String(text.to_owned()),
        Shape::List(_) if text.trim().is_empty() => Value::Array(Vec::new()),
        Shape::List(inner) => {
            let items = text.split(',').map(|item| parse(inner, item.trim()));
            Value::Array(items.collect::<Option<_>>()?)
        }
        Shape::Map(_) | Shape::Table(_) => return None,
    };
    node.fits(&value).then_some(value)
}

fn field_of<'a>(fields: &'a [(&'static str, Node)], name: &str) -> Option<&'a Node> {
    let field = fields.iter().find(|(known, _)| *known == name);
    field.map(|(_, node)| node)
}

fn merge_table(node: &Node, base: &mut Table, over: Table) {
    for (name, value) in over {
        let inner = match &node.shape {
            Shape::Table(fields) => field_of(fields, &name),
            Shape::Map(inner) => Some(&**inner),
            _ => None,
        };
        match (inner, base.get_mut(&name), value) {
            (Some(inner), Some(Value::Table(base)), Value::Table(over))
                if matches!(inner.shape, Shape::Table(_) | Shape::Map(_)) =>
            {
                merge_table(inner, base, over);
            }
            (.., value) => {
                base.insert(name, value);
            }
        }
    }
}

/// Sets a field, making the tables around it; `None` takes it away.
fn put(mut table: &mut Table, field: &str, value: Option<Value>) {
    let mut segments = field.split('.').peekable();
    while let Some(segment) = segments.next() {
        if segments.peek().is_none() {
            match value {
                Some(value) => drop(table.insert(segment.to_owned(), value)),
                None => drop(table.remove(segment)),
            }
            return;
        }
        if value.is_some() && !table.contains_key(segment) {
            table.insert(segment.to_owned(), Value::Table(Table::new()));
        }
        match table.get_mut(segment) {
            Some(Value::Table(inner)) => table = inner,
            // nothing to take away, or an error of type that stands already
            _ => return,
        }
    }
}

fn at<'a>(table: &'a Table, field: &str) -> Option<&'a Value> {
    let mut segments = field.split(['.', '[']);
    let mut value = table.get(segments.next()?)?;
    for segment in segments {
        value = match (value, segment.strip_suffix(']')) {
            (Value::Array(items), Some(index)) => items.get(index.parse::<usize>().ok()?)?,
            (Value::Table(table), _) => table.get(segment)?,
            _ => return None,
        };
    }
    Some(value)
}

/// Calls `each` with every path of the file and where its name (in a list: its item) stands.
fn locate(table: &DeTable<'_>, path: &str, each: &mut impl FnMut(String, Range<usize>)) {
    for (name, value) in table {
        let field = join(path, name.get_ref());
        each(field.clone(), name.span());
        locate_value(value.get_ref(), &field, each);
    }
}

fn locate_value(value: &DeValue<'_>, path: &str, each: &mut impl FnMut(String, Range<usize>)) {
    match value {
        DeValue::Table(table) => locate(table, path, each),
        DeValue::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let field = format!("{path}[{index}]");
                each(field.clone(), item.span());
                locate_value(item.get_ref(), &field, each);
            }
        }
        _ => {}
    }
}

fn place(path: &Path, text: &str, span: Range<usize>) -> Place {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    Place::File {
        path: path.to_path_buf(),
        line: before.matches('\n').count() + 1,
        column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
    }
}
