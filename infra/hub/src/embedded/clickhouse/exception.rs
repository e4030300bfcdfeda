//! ClickHouse's errors: read from the engine's text, told to clients as ClickHouse does.

use http::StatusCode;

/// An error with ClickHouse's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exception {
    /// ClickHouse's number of the error.
    pub(crate) code: i32,
    text: String,
}

/// Codes that this server itself gives; the names are ClickHouse's.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Code {
    BadArguments = 36,
    NotImplemented = 48,
    SyntaxError = 62,
    Incorrect = 117,
    TooManyQueries = 202,
    RequiredPassword = 194,
    SocketTimeout = 209,
    NetworkError = 210,
    CannotDecompress = 271,
    Readonly = 164,
    UnknownSetting = 115,
    QueryTooLarge = 307,
    SessionNotFound = 372,
    SessionLocked = 373,
    InvalidSessionTimeout = 374,
    AccessDenied = 497,
    AuthenticationFailed = 516,
}

impl Code {
    const fn name(self) -> &'static str {
        match self {
            Self::BadArguments => "BAD_ARGUMENTS",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::Incorrect => "INCORRECT_DATA",
            Self::TooManyQueries => "TOO_MANY_SIMULTANEOUS_QUERIES",
            Self::RequiredPassword => "REQUIRED_PASSWORD",
            Self::SocketTimeout => "SOCKET_TIMEOUT",
            Self::NetworkError => "NETWORK_ERROR",
            Self::CannotDecompress => "CANNOT_DECOMPRESS",
            Self::Readonly => "READONLY",
            Self::UnknownSetting => "UNKNOWN_SETTING",
            Self::QueryTooLarge => "QUERY_IS_TOO_LARGE",
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::SessionLocked => "SESSION_IS_LOCKED",
            Self::InvalidSessionTimeout => "INVALID_SESSION_TIMEOUT",
            Self::AccessDenied => "ACCESS_DENIED",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
        }
    }
}

impl Exception {
    /// An error of this server.
    pub(crate) fn new(code: Code, message: impl std::fmt::Display) -> Self {
        let number = code as i32;
        Self {
            code: number,
            text: format!("Code: {number}. DB::Exception: {message}. ({})", code.name()),
        }
    }

    /// What the client reads, ended by a line feed.
    pub(crate) fn body(&self, version: &str) -> String {
        format!("{} (version {version} (embedded build))\n", self.text.trim_end())
    }

    /// The HTTP status that ClickHouse gives to this error.
    pub(crate) fn status(&self) -> StatusCode {
        match self.code {
            194 => StatusCode::UNAUTHORIZED,
            // UNKNOWN_USER, WRONG_PASSWORD, AUTHENTICATION_FAILED, SET_NON_GRANTED_ROLE
            192 | 193 | 516 | 512 => StatusCode::FORBIDDEN,
            // what the caller wrote: arguments, values that do not parse, types, syntax, compression
            36 | 41 | 26 | 27 | 38 | 53 | 62 | 69 | 70 | 72 | 117 | 130 | 271 | 321 | 427 | 456
            | 457 | 374 => StatusCode::BAD_REQUEST,
            // unknown table, function, identifier, type, storage, database, setting, aggregate, format, database engine, session …
            60 | 46 | 47 | 50 | 56 | 81 | 115 | 183 | 63 | 73 | 137 | 139 | 372 | 78 | 77 => {
                StatusCode::NOT_FOUND
            }
            307 => StatusCode::PAYLOAD_TOO_LARGE,
            48 => StatusCode::NOT_IMPLEMENTED,
            159 | 209 => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<String> for Exception {
    /// Reads the engine's `Code: N. DB::Exception: …`; a text of another form is code 1000.
    fn from(text: String) -> Self {
        let code = text
            .strip_prefix("Code: ")
            .and_then(|rest| rest.split_once('.'))
            .and_then(|(code, _)| code.parse().ok());
        match code {
            Some(code) => Self { code, text },
            None => Self {
                code: 1000,
                text: format!("Code: 1000. DB::Exception: {text}. (UNKNOWN_EXCEPTION)"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_engines_code() {
        let error = Exception::from(
            "Code: 60. DB::Exception: Table x does not exist. (UNKNOWN_TABLE)".to_owned(),
        );
        assert_eq!((error.code, error.status()), (60, StatusCode::NOT_FOUND));
        assert!(error.body("26.7").ends_with("(UNKNOWN_TABLE) (version 26.7 (embedded build))\n"));
    }

    #[test]
    fn a_text_without_a_code_is_still_an_error() {
        assert_eq!(Exception::from("boom".to_owned()).code, 1000);
    }
}
