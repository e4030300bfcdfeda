//! What a type of settings looks like, as the probe found it, and whether a file fits it.

use toml::Value;

/// The kind of one value.
#[derive(Debug, Default)]
pub(super) enum Shape {
    /// Anything: serde decides.
    #[default]
    Any,
    Bool,
    Integer {
        min: i128,
        max: i128,
    },
    Float,
    Text,
    /// One of these names.
    Choice(&'static [&'static str]),
    List(Box<Node>),
    /// Names that the operator chooses.
    Map(Box<Node>),
    Table(Vec<(&'static str, Node)>),
}

/// One value.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) shape: Shape,
    /// What it takes, in the words of its visitor.
    pub(super) expects: String,
    /// It may be left out.
    pub(super) optional: bool,
    /// The probe need not come here again.
    pub(super) done: bool,
}

impl Node {
    /// The names of the fields, if it is a table.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        let fields = match &self.shape {
            Shape::Table(fields) => fields.as_slice(),
            _ => &[],
        };
        fields.iter().map(|(name, _)| *name)
    }

    /// The value that a path such as `providers[0].id` leads to.
    pub(super) fn at(&self, path: &str) -> Option<&Self> {
        let mut node = self;
        for segment in path.split(['.', '[']).filter(|part| !part.is_empty()) {
            node = match &node.shape {
                Shape::Table(fields) => &fields.iter().find(|(name, _)| *name == segment)?.1,
                Shape::List(inner) | Shape::Map(inner) => inner,
                _ => return None,
            };
        }
        Some(node)
    }

    /// Collects all values below it that hold no fields of their own.
    pub(super) fn leaves<'a>(&'a self, path: &str, into: &mut Vec<(String, &'a Self)>) {
        match &self.shape {
            Shape::Table(fields) => {
                for (name, node) in fields {
                    node.leaves(&join(path, name), into);
                }
            }
            _ => into.push((path.to_owned(), self)),
        }
    }

    /// Whether a variable can set it.
    pub(super) fn settable(&self) -> bool {
        match &self.shape {
            Shape::Table(_) | Shape::Map(_) => false,
            Shape::List(inner) => inner.scalar(),
            _ => self.scalar(),
        }
    }

    fn scalar(&self) -> bool {
        !matches!(self.shape, Shape::Table(_) | Shape::Map(_) | Shape::List(_))
    }

    /// What would be right, in words.
    pub(super) fn wanted(&self) -> String {
        match &self.shape {
            Shape::Any => self.expects.clone(),
            Shape::Bool => "true or false".into(),
            Shape::Integer { min, max } => match (*min, *max) {
                (min, max) if max >= i128::from(i64::MAX) && min < 0 => "an integer".into(),
                (min, max) if max >= i128::from(i64::MAX) => format!("an integer from {min}"),
                (min, max) => format!("an integer from {min} to {max}"),
            },
            Shape::Float => "a number".into(),
            Shape::Text if self.expects.is_empty() || self.expects == "a string" => "text".into(),
            Shape::Text => self.expects.clone(),
            Shape::Choice(names) => format!("one of {}", names.join(", ")),
            Shape::List(inner) => format!("a list, each {}", inner.wanted()),
            Shape::Map(_) | Shape::Table(_) => "a table".into(),
        }
    }

    /// Whether a value of the file has the right type, and the right range.
    pub(super) fn fits(&self, value: &Value) -> bool {
        match (&self.shape, value) {
            (Shape::Any, _)
            | (Shape::Bool, Value::Boolean(_))
            | (Shape::Float, Value::Float(_) | Value::Integer(_))
            | (Shape::Text, Value::String(_))
            | (Shape::Choice(_), Value::String(_) | Value::Table(_))
            | (Shape::List(_), Value::Array(_))
            | (Shape::Map(_) | Shape::Table(_), Value::Table(_)) => true,
            (Shape::Integer { min, max }, Value::Integer(value)) => {
                (*min..=*max).contains(&i128::from(*value))
            }
            _ => false,
        }
    }
}

/// The path of a field of a table.
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What a value is, in words, without its content: it may be a secret that lacks its quotes. Only
/// where an integer is wanted its digits are told.
pub(super) fn found(value: &Value, wanted: &Shape) -> String {
    match value {
        Value::String(_) => "text".into(),
        Value::Integer(number) if matches!(wanted, Shape::Integer { .. }) => {
            format!("the integer {number}")
        }
        Value::Integer(_) => "an integer".into(),
        Value::Float(_) => "a number with decimals".into(),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(_) => "a date".into(),
        Value::Array(_) => "a list".into(),
        Value::Table(_) => "a table".into(),
    }
}
