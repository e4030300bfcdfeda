//! One statement from its text to its answer, on a thread of its own.

use std::io::{self, Read};

use super::super::engine::Engine;
use super::super::exception::{Code, Exception};
use super::super::ffi::{Class, Connection, Counts};
use super::super::statement::{self, Statement};
use super::super::tree;
use super::super::{Limits, Role};
use super::answer::{Answer, Gone};
use super::body::BodyReader;
use super::codec::decoder;
use super::format::{Joining, joining};
use super::request::Request;
use super::sessions::Sessions;

/// What INSERT data is handed over in.
const PIECE: usize = 256 * 1024;

/// Everything that a statement needs.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) role: Role,
    pub(crate) body: BodyReader,
    /// Names the statement for [`Engine::kill`].
    pub(crate) mark: String,
}

enum Stop {
    Exception(Exception),
    Gone,
}

impl From<Exception> for Stop {
    fn from(exception: Exception) -> Self {
        Self::Exception(exception)
    }
}

impl From<String> for Stop {
    fn from(text: String) -> Self {
        Self::Exception(text.into())
    }
}

impl From<Gone> for Stop {
    fn from(Gone: Gone) -> Self {
        Self::Gone
    }
}

/// Runs the job and writes its answer to the end.
pub(crate) fn run(
    engine: &Engine,
    limits: &Limits,
    sessions: &Sessions,
    mut job: Job,
    mut answer: Answer,
) {
    let outcome = in_session(engine, limits, sessions, &mut job, &mut answer);
    let told = match outcome {
        Ok(()) => answer.finish(),
        Err(Stop::Exception(exception)) => answer.fail(&exception),
        Err(Stop::Gone) => Err(Gone),
    };
    if told.is_err() {
        tracing::debug!("the client went away before its answer ended");
    }
}

fn in_session(
    engine: &Engine,
    limits: &Limits,
    sessions: &Sessions,
    job: &mut Job,
    answer: &mut Answer,
) -> Result<(), Stop> {
    let role = job.role;
    let body = decoder(&mut job.body, job.request.request_coding, job.request.decompress)
        .map_err(|error| body_error(&error))?;
    let Some(ask) = &job.request.session else {
        let mut connection = engine.session(role, &job.mark)?;
        set(&mut connection, &job.request.settings)?;
        return execute(engine, &mut connection, limits, role, &job.request, body, answer);
    };
    let mut connection = sessions.take(engine, role, ask)?;
    // Settings of the URL hold for this statement only.
    let before = current(&mut connection, &job.request.settings);
    let outcome = set(&mut connection, &job.request.settings)
        .and_then(|()| execute(engine, &mut connection, limits, role, &job.request, body, answer));
    match before.and_then(|before| restore(&mut connection, &before)) {
        Ok(()) => sessions.give_back(role, ask, connection),
        Err(text) => {
            tracing::warn!(
                error = text,
                "a session's settings could not be restored; the session is ended"
            );
            sessions.forget(role, ask);
        }
    }
    outcome
}

fn execute(
    engine: &Engine,
    connection: &mut Connection,
    limits: &Limits,
    role: Role,
    request: &Request,
    mut body: Box<dyn Read + Send + '_>,
    answer: &mut Answer,
) -> Result<(), Stop> {
    if let Some(database) = &request.database {
        connection.query(&format!("USE {}", identifier(database)), "Null", &[])?;
    }
    let (text, rest) = text_of(request, limits, &mut body)?;
    match statement::read(&text) {
        Statement::Insert { head, format, data } => {
            let format = format.or(request.format.as_deref()).unwrap_or("Values");
            gate(engine, connection, role, request, &format!("{head} FORMAT {format}"))?;
            let inline = text.as_bytes().get(data..).unwrap_or_default();
            let counts = insert(
                connection,
                head,
                format,
                request,
                &mut inline.chain(&rest[..]).chain(body),
            )?;
            answer.write(&[], counts).map_err(Stop::from)
        }
        Statement::InsertFromFile => Err(Exception::new(
            Code::NotImplemented,
            "INSERT FROM INFILE reads a file of the server and is not available",
        )
        .into()),
        Statement::Query { format } => {
            // ClickHouse joins the URL's text and the body; so much was read already that `rest` is empty here.
            let wanted = request.format.as_deref().unwrap_or("TabSeparated");
            answer.set_format(format.unwrap_or(wanted));
            gate(engine, connection, role, request, &text)?;
            select(connection, &text, wanted, joining(format.unwrap_or(wanted)), request, answer)
        }
    }
}

/// The statement's text, and what was read of the body beyond it.
fn text_of(
    request: &Request,
    limits: &Limits,
    body: &mut impl Read,
) -> Result<(String, Vec<u8>), Stop> {
    let from_url = !request.query.trim().is_empty();
    if from_url && matches!(statement::read(&request.query), Statement::Insert { .. }) {
        return Ok((request.query.clone(), Vec::new()));
    }
    let most = limits.text_bytes;
    let mut bytes = if from_url { format!("{}\n", request.query).into_bytes() } else { Vec::new() };
    body.take(most as u64 + 1).read_to_end(&mut bytes).map_err(|error| body_error(&error))?;
    // An INSERT's rows follow its text and are not text.
    let valid = match std::str::from_utf8(&bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    let cut = match std::str::from_utf8(bytes.get(..valid).unwrap_or_default()).map(statement::read)
    {
        Ok(Statement::Insert { data, format: Some(_), .. }) => data,
        Ok(Statement::Insert { .. } | Statement::InsertFromFile | Statement::Query { .. })
        | Err(_)
            if bytes.len() > most =>
        {
            return Err(Exception::new(
                Code::QueryTooLarge,
                format_args!("the query is longer than {most} bytes, which is the limit"),
            )
            .into());
        }
        _ => bytes.len(),
    };
    let rest = bytes.split_off(cut);
    let text = String::from_utf8(bytes)
        .map_err(|_| Exception::new(Code::SyntaxError, "the query is not valid UTF-8"))?;
    if text.trim().is_empty() {
        return Err(Exception::new(Code::SyntaxError, "Syntax error: the query is empty").into());
    }
    Ok((text, rest))
}

/// Asks the engine's parser what the text is and refuses what its library would do outside of access control: several statements,
/// files written by INTO OUTFILE, and for the read-only role everything that is more than reading or reaches outside. (The role's
/// grants refuse most of it once more.)
fn gate(
    engine: &Engine,
    connection: &mut Connection,
    role: Role,
    request: &Request,
    text: &str,
) -> Result<(), Exception> {
    let analysis = connection.classify(text);
    if analysis.statements > 1 {
        return Err(Exception::new(
            Code::SyntaxError,
            "Syntax error (Multi-statements are not allowed)",
        ));
    }
    let denied = |what: &str| {
        Err(Exception::new(
            Code::AccessDenied,
            format_args!("{}: Not enough privileges. {what}", role.name()),
        ))
    };
    match (role, analysis.class) {
        (Role::Writer, Class::ReadOnly) => Ok(()),
        (Role::Reader, Class::ReadOnly) => {
            let dump =
                connection.query(&format!("EXPLAIN AST {text}"), "TSVRaw", &request.params)?;
            match tree::first_forbidden(&String::from_utf8_lossy(dump.bytes()), &engine.forbidden) {
                None => Ok(()),
                Some(name) => denied(&format!(
                    "This user cannot call {name}, which reads outside of the database"
                )),
            }
        }
        // Did not parse: the engine's own message is wanted, and nothing will run.
        (_, Class::Unknown) if analysis.statements == 0 => Ok(()),
        (Role::Reader, Class::Mutating | Class::Global | Class::Control | Class::Unknown) => {
            denied(
                "This user can only read: SELECT, SHOW, DESCRIBE, EXPLAIN and EXISTS without INTO OUTFILE",
            )
        }
        (Role::Writer, _) if request.read_only => Err(Exception::new(
            Code::Readonly,
            "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly, use POST",
        )),
        (Role::Writer, Class::Control) => match statement::first_word(text).as_str() {
            "SET" | "USE" | "SYSTEM" | "KILL" | "ATTACH" | "DETACH" | "CREATE" | "DROP"
            | "INSERT" => Ok(()),
            _ => denied(
                "INTO OUTFILE, BACKUP, RESTORE and statements of that kind are not available",
            ),
        },
        (Role::Writer, Class::Mutating | Class::Global) => Ok(()),
        (Role::Writer, Class::Unknown) => {
            denied("The engine does not know what this statement changes")
        }
    }
}

fn select(
    connection: &mut Connection,
    text: &str,
    format: &str,
    joining: Joining,
    request: &Request,
    answer: &mut Answer,
) -> Result<(), Stop> {
    let reads =
        matches!(statement::first_word(text).as_str(), "SELECT" | "WITH" | "(" | "FROM" | "VALUES");
    // A text that does not parse goes this way too: the streaming door takes one SELECT and nothing else.
    if joining != Joining::Document && (reads || connection.classify(text).statements == 0) {
        match connection.stream(text, format, &request.params) {
            Ok(mut rows) => {
                let mut first = true;
                while let Some(block) = rows.next()? {
                    let bytes = block.bytes();
                    let skip = if first { 0 } else { joining.header_length(bytes) };
                    first = false;
                    answer.write(bytes.get(skip..).unwrap_or_default(), block.counts())?;
                }
                return Ok(());
            }
            Err(text) if text.contains("Streaming query is not supported") => {}
            Err(text) => return Err(text.into()),
        }
    }
    let output = connection.query(text, format, &request.params)?;
    answer.write(output.bytes(), output.counts())?;
    Ok(())
}

fn insert(
    connection: &mut Connection,
    head: &str,
    format: &str,
    request: &Request,
    rows: &mut dyn Read,
) -> Result<Counts, Stop> {
    // Read before the statement starts: an insert without rows is none, as in ClickHouse.
    let mut piece = vec![0; PIECE];
    let mut insert = connection.insert(head, format, &request.params)?;
    loop {
        match rows.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                if insert.append(piece.get(..length).unwrap_or_default()).is_err() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Dropping the insert cancels it: a body that was cut is not committed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
                return Err(Stop::Gone);
            }
            Err(error) => return Err(body_error(&error).into()),
        }
    }
    Ok(insert.finish()?)
}

fn body_error(error: &io::Error) -> Exception {
    match error.kind() {
        io::ErrorKind::TimedOut => {
            Exception::new(Code::SocketTimeout, "the request's body did not arrive in time")
        }
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof => {
            Exception::new(
                Code::CannotDecompress,
                format_args!("the request's body cannot be decoded: {error}"),
            )
        }
        _ => Exception::new(
            Code::NetworkError,
            format_args!("the request's body cannot be read: {error}"),
        ),
    }
}

type Setting = (String, String);

fn set(connection: &mut Connection, settings: &[Setting]) -> Result<(), Stop> {
    if settings.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::with_capacity(settings.len());
    for (name, value) in settings {
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
        {
            return Err(Exception::new(
                Code::UnknownSetting,
                format_args!(
                    "Setting {name} is neither a builtin setting nor a parameter of this interface"
                ),
            )
            .into());
        }
        changes.push(format!("{name} = {}", literal(value)));
    }
    connection.query(&format!("SET {}", changes.join(", ")), "Null", &[])?;
    Ok(())
}

/// The values that `settings` will hide; `None` for a default.
fn current(
    connection: &mut Connection,
    settings: &[Setting],
) -> Result<Vec<(String, Option<String>)>, String> {
    let mut values = Vec::with_capacity(settings.len());
    for (name, _) in settings {
        let sql =
            format!("SELECT changed, value FROM system.settings WHERE name = {}", literal(name));
        let output = connection.query(&sql, "TSVRaw", &[])?;
        let line = String::from_utf8_lossy(output.bytes()).into_owned();
        // A name that the engine does not list is refused by SET, and nothing is to be restored.
        if let Some((changed, value)) = line.trim_end_matches('\n').split_once('\t') {
            values.push((name.clone(), (changed == "1").then(|| value.to_owned())));
        }
    }
    Ok(values)
}

fn restore(connection: &mut Connection, before: &[(String, Option<String>)]) -> Result<(), String> {
    for (name, value) in before {
        let value = value.as_deref().map_or_else(|| "DEFAULT".to_owned(), literal);
        connection.query(&format!("SET {name} = {value}"), "Null", &[])?;
    }
    Ok(())
}

fn literal(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}
