//! ClickHouse's errors, sorted. None of them refuses a record: rows are typed, so what is wrong is
//! the world, and the sink waits and tries again.

use std::fmt;

use clickhouse::error::Error;

/// What is wrong with the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// No answer: it is down, restarting, or the network is.
    Away,
    /// It has too much to do: parts to merge, memory, running queries.
    Busy,
    /// The tables are not there yet.
    Missing,
    /// The user or password is wrong, or may not write.
    Denied,
    /// The columns are not those of this build.
    Mismatch,
    /// Anything else that it says.
    Other,
}

/// Why ClickHouse did not do it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The kind.
    pub kind: Kind,
    /// What was said, cut.
    pub text: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            Kind::Away => "clickhouse is away",
            Kind::Busy => "clickhouse is busy",
            Kind::Missing => "a table is missing in clickhouse (run the migrations)",
            Kind::Denied => "clickhouse denied access (check user, password and grants)",
            Kind::Mismatch => "the table's columns are not those of this build",
            Kind::Other => "clickhouse refused",
        };
        write!(f, "{what}: {}", self.text)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let text: String = error.to_string().chars().take(500).collect();
        let kind = match &error {
            Error::Network(_) | Error::TimedOut => Kind::Away,
            Error::SchemaMismatch(_) | Error::InvalidColumnsHeader(_) | Error::NotEnoughData => {
                Kind::Mismatch
            }
            Error::BadResponse(reason) => of_code(code(reason)),
            _ => Kind::Other,
        };
        Self { kind, text }
    }
}

/// The code of `Code: 252. DB::Exception: …`.
fn code(reason: &str) -> Option<u32> {
    let (_, rest) = reason.split_once("Code: ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The codes of ClickHouse's `ErrorCodes.cpp` that mean something to the sink.
const fn of_code(code: Option<u32>) -> Kind {
    match code {
        // TIMEOUT_EXCEEDED, SOCKET_TIMEOUT, NETWORK_ERROR, ABORTED, KEEPER_EXCEPTION, none at all
        Some(159 | 209 | 210 | 236 | 999) | None => Kind::Away,
        // TOO_MANY_SIMULTANEOUS_QUERIES, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY, TOO_MANY_PARTS,
        // NOT_ENOUGH_SPACE, QUERY_WAS_CANCELLED
        Some(202 | 241 | 242 | 252 | 243 | 394) => Kind::Busy,
        // UNKNOWN_TABLE, UNKNOWN_DATABASE
        Some(60 | 81) => Kind::Missing,
        // READONLY, UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, ACCESS_DENIED,
        // AUTHENTICATION_FAILED
        Some(164 | 192 | 193 | 194 | 497 | 516) => Kind::Denied,
        // NO_SUCH_COLUMN_IN_TABLE, UNKNOWN_IDENTIFIER, TYPE_MISMATCH
        Some(16 | 47 | 53) => Kind::Mismatch,
        Some(_) => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted() {
        let said = |text: &str| Error::BadResponse(text.to_owned());
        for (error, kind) in [
            (Error::TimedOut, Kind::Away),
            (Error::Network("connection refused".into()), Kind::Away),
            (said("502 Bad Gateway"), Kind::Away),
            (said("Code: 252. DB::Exception: Too many parts (300)"), Kind::Busy),
            (said("Code: 60. DB::Exception: Table hub.usage does not exist"), Kind::Missing),
            (said("Code: 516. DB::Exception: hub: Authentication failed"), Kind::Denied),
            (said("Code: 516"), Kind::Denied),
            (Error::SchemaMismatch("column x".to_owned()), Kind::Mismatch),
            (said("Code: 62. DB::Exception: Syntax error"), Kind::Other),
        ] {
            let text = error.to_string();
            assert_eq!(Fault::from(error).kind, kind, "{text}");
        }
    }
}
