//! What is wrong with a configuration, said so that it can be put right.

use std::fmt;
use std::path::PathBuf;

/// Where a value was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// In the file; line and column count from 1.
    File {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// In this variable of the environment.
    Variable(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Variable(name) => f.write_str(name),
            Self::Default => f.write_str("by default"),
        }
    }
}

/// What is wrong with a configuration. No message repeats the content of a secret.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("configuration file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: not valid toml: {reason}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser says.
        reason: String,
    },
    /// No such field.
    #[error("{place}: unknown field {field}{hint}")]
    UnknownField {
        /// Its full path.
        field: String,
        /// Where it was written.
        place: Place,
        /// What was meant, perhaps.
        hint: Hint,
    },
    /// No field has this variable.
    #[error("unknown variable {name}{hint}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// What was meant, perhaps.
        hint: Hint,
    },
    /// The field holds tables.
    #[error("{name}: {field} can't be set by a variable: set it in the configuration file")]
    FileOnly {
        /// The variable.
        name: String,
        /// The field.
        field: String,
    },
    /// A value of another type.
    #[error("{place}: {field}: found {found}, expected {wanted}")]
    WrongType {
        /// Full path of the field.
        field: String,
        /// Where the value was written.
        place: Place,
        /// Its type, or the text of a variable.
        found: String,
        /// What would be right.
        wanted: String,
    },
    /// A value that the field refuses, or a field that must be given.
    #[error("{place}: {field}: {reason}{hint}")]
    Invalid {
        /// Full path of the field.
        field: String,
        /// Where the value was written.
        place: Place,
        /// Why, and what would be right.
        reason: String,
        /// What was meant, perhaps.
        hint: Hint,
    },
    /// Two fields have the same variable, or the default has no TOML form: a mistake in the type.
    #[error("settings can't be described: {0}")]
    Type(String),
    /// More than one.
    #[error("{} errors in the configuration:{}", .0.len(), lines(.0))]
    Several(Vec<Error>),
}

fn lines(errors: &[Error]) -> String {
    errors.iter().map(|error| format!("\n  {error}")).collect()
}

/// What was meant, perhaps: a valid name, or all that there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hint {
    /// The nearest valid one.
    Nearest(String),
    /// Nothing is near; these are valid.
    Known(Vec<String>),
    /// Nothing to say.
    None,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nearest(name) => write!(f, " (nearest: {name})"),
            Self::Known(names) => write!(f, " (known: {})", names.join(", ")),
            Self::None => Ok(()),
        }
    }
}

impl Hint {
    /// The one of `known` that is nearest to `name`, if any is near.
    pub(super) fn nearest<'a>(
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let bound = (name.chars().count() / 3).max(2);
        known
            .into_iter()
            .map(|known| (strsim::damerau_levenshtein(name, known), known))
            .filter(|(distance, _)| *distance <= bound)
            .min_by_key(|(distance, _)| *distance)
            .map(|(_, known)| known)
    }
}
