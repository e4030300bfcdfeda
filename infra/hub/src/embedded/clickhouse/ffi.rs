//! The one place that calls libchdb. Everything unsafe about it is behind three owned types: [`Connection`], [`Rows`] (a result that
//! is read chunk by chunk) and [`Insert`] (data that is written chunk by chunk).
//!
//! Rules of the library that the types hold: a connection runs one statement at a time (`&mut`), streams end before their connection
//! (lifetimes), and the library is never unloaded (its threads and `atexit` handlers outlive any handle).
#![expect(unsafe_code, reason = "libchdb is a C library; every call into it is in this file")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{self, NonNull};

use libloading::Library;

/// libchdb could not be loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The file is not a loadable library.
    #[error("cannot load {path}: {source}")]
    Open {
        /// The file.
        path: String,
        /// What the loader says.
        source: libloading::Error,
    },
    /// It lacks a function: another version than the pinned one.
    #[error("{path} is not the libchdb that this build expects (26.7): {source}")]
    Symbol {
        /// The file.
        path: String,
        /// What the loader says.
        source: libloading::Error,
    },
    /// It refused to open the data folder; why is on its standard error.
    #[error("the engine did not start; its message is on standard error")]
    Connect,
}

type Handle = *mut c_void;
type Names = *const *const c_char;

/// The library's functions.
pub(crate) struct Api {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    close: unsafe extern "C" fn(*mut Handle),
    query: unsafe extern "C" fn(
        Handle,
        *const c_char,
        usize,
        *const c_char,
        usize,
        Names,
        *const usize,
        Names,
        *const usize,
        usize,
    ) -> Handle,
    stream: unsafe extern "C" fn(
        Handle,
        *const c_char,
        usize,
        *const c_char,
        usize,
        Names,
        *const usize,
        Names,
        *const usize,
        usize,
    ) -> Handle,
    fetch: unsafe extern "C" fn(Handle, Handle) -> Handle,
    cancel: unsafe extern "C" fn(Handle, Handle),
    destroy: unsafe extern "C" fn(Handle),
    insert: unsafe extern "C" fn(
        Handle,
        *const c_char,
        usize,
        *const c_char,
        usize,
        Names,
        *const usize,
        Names,
        *const usize,
        usize,
    ) -> Handle,
    insert_append: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    insert_done: unsafe extern "C" fn(Handle) -> Handle,
    insert_cancel: unsafe extern "C" fn(Handle),
    insert_error: unsafe extern "C" fn(Handle) -> *const c_char,
    insert_destroy: unsafe extern "C" fn(Handle),
    buffer: unsafe extern "C" fn(Handle) -> *mut c_char,
    length: unsafe extern "C" fn(Handle) -> usize,
    error: unsafe extern "C" fn(Handle) -> *const c_char,
    result_rows: unsafe extern "C" fn(Handle) -> u64,
    read_rows: unsafe extern "C" fn(Handle) -> u64,
    read_bytes: unsafe extern "C" fn(Handle) -> u64,
    written_rows: unsafe extern "C" fn(Handle) -> u64,
    written_bytes: unsafe extern "C" fn(Handle) -> u64,
    classify: unsafe extern "C" fn(
        Handle,
        *const c_char,
        usize,
        *const c_char,
        usize,
        *mut RawAnalysis,
    ) -> c_int,
}

#[repr(C)]
#[derive(Default)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    query_class: u32,
}

/// What the engine's parser says a statement does, by what outlives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// Leaves no trace: SELECT, SHOW, DESCRIBE, EXPLAIN, EXISTS.
    ReadOnly,
    /// Changes a database.
    Mutating,
    /// Changes what stands beside the databases: users, functions, named collections.
    Global,
    /// SET, USE, SYSTEM, KILL, BACKUP, INTO OUTFILE and the like.
    Control,
    /// Did not parse, or is not classified.
    Unknown,
}

/// The parser's view of a text, nothing executed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Analysis {
    /// Executable statements in the text; 0 when it does not parse.
    pub(crate) statements: u32,
    /// The most restricted class among them.
    pub(crate) class: Class,
}

/// What a statement read and wrote, in rows and bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
    pub(crate) result_rows: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, more: Self) {
        self.read_rows += more.read_rows;
        self.read_bytes += more.read_bytes;
        self.written_rows += more.written_rows;
        self.written_bytes += more.written_bytes;
        self.result_rows += more.result_rows;
    }
}

impl Api {
    /// Loads the library for the life of the process.
    pub(crate) fn load(path: &Path) -> Result<&'static Self, LoadError> {
        let name = || path.display().to_string();
        // SAFETY: loading runs the library's initialisers; the path is the operator's choice of a libchdb, which is made to be loaded so.
        let library = unsafe { Library::new(path) }
            .map_err(|source| LoadError::Open { path: name(), source })?;
        // Leaked: the engine's threads may run until the process ends.
        let library: &'static Library = Box::leak(Box::new(library));
        let symbol = |source| LoadError::Symbol { path: name(), source };
        macro_rules! get {
            ($symbol:literal) => {
                // SAFETY: the field's type is the function's declaration in chdb.h of 26.7.
                *unsafe { library.get(concat!($symbol, "\0").as_bytes()) }.map_err(symbol)?
            };
        }
        // SAFETY: declared `void chdb_set_signal_handlers_enabled(int)`; called before the first connect, as its documentation asks.
        let signals: libloading::Symbol<'_, unsafe extern "C" fn(c_int)> =
            unsafe { library.get(b"chdb_set_signal_handlers_enabled\0") }.map_err(symbol)?;
        // SAFETY: no argument but the flag; signals stay with this process.
        unsafe { signals(0) };
        Ok(Box::leak(Box::new(Self {
            connect: get!("chdb_connect"),
            close: get!("chdb_close_conn"),
            query: get!("chdb_query_with_params_n"),
            stream: get!("chdb_stream_query_with_params_n"),
            fetch: get!("chdb_stream_fetch_result"),
            cancel: get!("chdb_stream_cancel_query"),
            destroy: get!("chdb_destroy_query_result"),
            insert: get!("chdb_stream_insert_with_params_n"),
            insert_append: get!("chdb_stream_append"),
            insert_done: get!("chdb_stream_done"),
            insert_cancel: get!("chdb_stream_cancel_insert"),
            insert_error: get!("chdb_stream_insert_error"),
            insert_destroy: get!("chdb_destroy_insert_stream"),
            buffer: get!("chdb_result_buffer"),
            length: get!("chdb_result_length"),
            error: get!("chdb_result_error"),
            result_rows: get!("chdb_result_rows_read"),
            read_rows: get!("chdb_result_storage_rows_read"),
            read_bytes: get!("chdb_result_storage_bytes_read"),
            written_rows: get!("chdb_result_rows_written"),
            written_bytes: get!("chdb_result_bytes_written"),
            classify: get!("chdb_classify_query_n"),
        })))
    }
}

/// Named query parameters, `{name:Type}` in the text.
pub(crate) type Params = [(String, String)];

/// The pointers that the library wants for parameters; valid while `Params` is borrowed.
struct RawParams {
    names: Vec<*const c_char>,
    name_lens: Vec<usize>,
    values: Vec<*const c_char>,
    value_lens: Vec<usize>,
}

impl RawParams {
    fn new(params: &Params) -> Self {
        Self {
            names: params.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lens: params.iter().map(|(name, _)| name.len()).collect(),
            values: params.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lens: params.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// A session in the engine: its own role, settings, temporary tables and current database.
pub(crate) struct Connection {
    api: &'static Api,
    slot: NonNull<Handle>,
}

// SAFETY: the library serialises calls per connection and keeps no thread-local state between calls; `&mut self` keeps one user at a time.
unsafe impl Send for Connection {}

impl Connection {
    /// Opens a session; the first one in a process starts the engine with `args` (`--path=…`, `--config-file=…`, settings).
    pub(crate) fn open(api: &'static Api, args: &[String]) -> Result<Self, LoadError> {
        let args: Vec<CString> = std::iter::once("hub")
            .chain(args.iter().map(String::as_str))
            .filter_map(|arg| CString::new(arg).ok())
            .collect();
        let mut argv: Vec<*mut c_char> = args.iter().map(|arg| arg.as_ptr().cast_mut()).collect();
        let argc = c_int::try_from(argv.len()).unwrap_or(c_int::MAX);
        // SAFETY: argv holds argc pointers to NUL-terminated strings that live through the call; the library copies them.
        let slot = unsafe { (api.connect)(argc, argv.as_mut_ptr()) };
        NonNull::new(slot).map(|slot| Self { api, slot }).ok_or(LoadError::Connect)
    }

    fn handle(&self) -> Handle {
        // SAFETY: the slot came from chdb_connect and is valid until chdb_close_conn, which only Drop calls.
        unsafe { *self.slot.as_ptr() }
    }

    /// Runs a statement to its end and gives its whole output in memory.
    pub(crate) fn query(
        &mut self,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Output, String> {
        let raw = RawParams::new(params);
        // SAFETY: all pointers are valid for their lengths through the call; the library copies what it keeps.
        let result = unsafe {
            (self.api.query)(
                self.handle(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                raw.names.as_ptr(),
                raw.name_lens.as_ptr(),
                raw.values.as_ptr(),
                raw.value_lens.as_ptr(),
                params.len(),
            )
        };
        Output::checked(self.api, result)
    }

    /// Starts a SELECT whose output is fetched block by block; each block is a whole document in `format`.
    pub(crate) fn stream(
        &mut self,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Rows<'_>, String> {
        let raw = RawParams::new(params);
        // SAFETY: as in `query`.
        let result = unsafe {
            (self.api.stream)(
                self.handle(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                raw.names.as_ptr(),
                raw.name_lens.as_ptr(),
                raw.values.as_ptr(),
                raw.value_lens.as_ptr(),
                params.len(),
            )
        };
        let stream = Output::checked(self.api, result)?;
        Ok(Rows { connection: self, stream, ended: false })
    }

    /// Starts an INSERT; `sql` ends before its FORMAT clause.
    pub(crate) fn insert(
        &mut self,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Insert<'_>, String> {
        let raw = RawParams::new(params);
        // SAFETY: as in `query`.
        let handle = unsafe {
            (self.api.insert)(
                self.handle(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                raw.names.as_ptr(),
                raw.name_lens.as_ptr(),
                raw.values.as_ptr(),
                raw.value_lens.as_ptr(),
                params.len(),
            )
        };
        let insert = Insert { connection: self, handle, finished: false };
        match insert.error() {
            Some(message) => Err(message),
            None => Ok(insert),
        }
    }

    /// Asks the engine's parser what `sql` is; nothing runs.
    pub(crate) fn classify(&mut self, sql: &str) -> Analysis {
        let mut raw = RawAnalysis {
            struct_size: u32::try_from(size_of::<RawAnalysis>()).unwrap_or(16),
            ..RawAnalysis::default()
        };
        // SAFETY: sql is valid for its length, no target database is given, and `raw` is a chdb_query_analysis_v1 of the stated size.
        let state = unsafe {
            (self.api.classify)(
                self.handle(),
                sql.as_ptr().cast(),
                sql.len(),
                ptr::null(),
                0,
                &raw mut raw,
            )
        };
        let class = match (state, raw.query_class) {
            (0, 0) if raw.statement_count > 0 => Class::ReadOnly,
            (0, 1) => Class::Mutating,
            (0, 2) => Class::Global,
            (0, 3) => Class::Control,
            _ => Class::Unknown,
        };
        Analysis { statements: raw.statement_count, class }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: the slot is closed once, here; streams borrow the connection, so none is left.
        unsafe { (self.api.close)(self.slot.as_ptr()) };
    }
}

/// One result of the library, freed on drop.
pub(crate) struct Output {
    api: &'static Api,
    result: NonNull<c_void>,
}

// SAFETY: a result is plain memory that is owned by this handle.
unsafe impl Send for Output {}

impl Output {
    fn checked(api: &'static Api, result: Handle) -> Result<Self, String> {
        let Some(result) = NonNull::new(result) else {
            return Err(
                "Code: 1000. DB::Exception: the engine gave no result. (UNKNOWN_EXCEPTION)".into(),
            );
        };
        let output = Self { api, result };
        // SAFETY: the handle is a live result.
        match text(unsafe { (api.error)(result.as_ptr()) }) {
            Some(message) => Err(message),
            None => Ok(output),
        }
    }

    /// The formatted bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the handle is live; the buffer holds `length` bytes until the result is destroyed, which needs `&mut self`.
        unsafe {
            let length = (self.api.length)(self.result.as_ptr());
            let buffer = (self.api.buffer)(self.result.as_ptr());
            if length == 0 || buffer.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(buffer.cast(), length)
        }
    }

    /// What it took.
    pub(crate) fn counts(&self) -> Counts {
        let result = self.result.as_ptr();
        // SAFETY: the handle is a live result; these only read counters.
        unsafe {
            Counts {
                read_rows: (self.api.read_rows)(result),
                read_bytes: (self.api.read_bytes)(result),
                written_rows: (self.api.written_rows)(result),
                written_bytes: (self.api.written_bytes)(result),
                result_rows: (self.api.result_rows)(result),
            }
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        // SAFETY: destroyed once, here.
        unsafe { (self.api.destroy)(self.result.as_ptr()) };
    }
}

/// A SELECT in progress; dropping it cancels what is left.
pub(crate) struct Rows<'c> {
    connection: &'c mut Connection,
    stream: Output,
    ended: bool,
}

impl Rows<'_> {
    /// The next block, or `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Output>, String> {
        if self.ended {
            return Ok(None);
        }
        // SAFETY: connection and stream are live, and `&mut self` keeps fetches serial as the library asks.
        let result = unsafe {
            (self.connection.api.fetch)(self.connection.handle(), self.stream.result.as_ptr())
        };
        let chunk =
            Output::checked(self.connection.api, result).inspect_err(|_| self.ended = true)?;
        if chunk.bytes().is_empty() {
            self.ended = true;
            return Ok(None);
        }
        Ok(Some(chunk))
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: both handles are live; the stream's own handle is destroyed after this by its Drop.
            unsafe {
                (self.connection.api.cancel)(self.connection.handle(), self.stream.result.as_ptr())
            };
        }
    }
}

/// An INSERT in progress; dropping it before [`Insert::finish`] cancels it, and blocks not yet written are gone.
pub(crate) struct Insert<'c> {
    connection: &'c mut Connection,
    handle: Handle,
    finished: bool,
}

impl Insert<'_> {
    fn error(&self) -> Option<String> {
        // SAFETY: the handle is live until Drop.
        text(unsafe { (self.connection.api.insert_error)(self.handle) })
    }

    /// Hands over data; blocks while the engine is behind.
    pub(crate) fn append(&mut self, data: &[u8]) -> Result<(), String> {
        // SAFETY: data is valid for its length; the library copies it.
        let state = unsafe {
            (self.connection.api.insert_append)(self.handle, data.as_ptr().cast(), data.len())
        };
        if state == 0 {
            return Ok(());
        }
        // The reason comes with the end of the stream.
        Err(self.error().unwrap_or_else(|| {
            "Code: 1000. DB::Exception: the insert was stopped. (UNKNOWN_EXCEPTION)".into()
        }))
    }

    /// Ends the data and commits it.
    pub(crate) fn finish(mut self) -> Result<Counts, String> {
        self.finished = true;
        // SAFETY: the handle is live and not yet finalised.
        let result = unsafe { (self.connection.api.insert_done)(self.handle) };
        Output::checked(self.connection.api, result).map(|output| output.counts())
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is live; cancel is allowed before destroy, and destroy is called once, here.
        unsafe {
            if !self.finished {
                (self.connection.api.insert_cancel)(self.handle);
            }
            (self.connection.api.insert_destroy)(self.handle);
        }
    }
}

fn text(message: *const c_char) -> Option<String> {
    if message.is_null() {
        return None;
    }
    // SAFETY: the library gives NUL-terminated strings that live as long as their handle, which the caller holds.
    let message = unsafe { CStr::from_ptr(message) };
    (!message.is_empty()).then(|| message.to_string_lossy().into_owned())
}
