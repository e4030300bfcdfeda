//! Where a text's data begins and which format it names. This decides how a text is handed to the engine, never whether it may run.

/// A statement's text, cut for the engine's two doors.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement<'t> {
    /// An INSERT whose rows follow the text.
    Insert {
        /// The text before FORMAT or VALUES.
        head: &'t str,
        /// The format's name as written; `None` when the text names none.
        format: Option<&'t str>,
        /// Where the rows begin in the text.
        data: usize,
    },
    /// INSERT … FROM INFILE, which would read a file on the server.
    InsertFromFile,
    /// Anything else.
    Query {
        /// The output format that the text names.
        format: Option<&'t str>,
    },
}

/// Reads a text as far as needed.
pub(crate) fn read(text: &str) -> Statement<'_> {
    let mut tokens = Tokens::new(text).peekable();
    if !tokens.peek().is_some_and(|token| token.is("INSERT")) {
        return Statement::Query { format: output_format(text) };
    }
    let mut depth = 0_u32;
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Open => {
                depth += 1;
                if depth == 1
                    && tokens.peek().is_some_and(|next| next.is("SELECT") || next.is("WITH"))
                {
                    return Statement::Query { format: output_format(text) };
                }
            }
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 => {
                if token.is("VALUES") {
                    return Statement::Insert {
                        head: before(text, token),
                        format: Some("Values"),
                        data: token.end,
                    };
                }
                if token.is("FORMAT")
                    && let Some(name) = tokens.next_if(|next| next.kind == Kind::Word)
                {
                    let data = rows_after(text, name.end);
                    return Statement::Insert {
                        head: before(text, token),
                        format: Some(name.text),
                        data,
                    };
                }
                if token.is("SELECT") || token.is("WITH") || token.is("WATCH") {
                    return Statement::Query { format: output_format(text) };
                }
                if token.is("INFILE") {
                    return Statement::InsertFromFile;
                }
            }
            Kind::Word | Kind::Other => {}
        }
    }
    Statement::Insert {
        head: text.trim_end().trim_end_matches(';'),
        format: None,
        data: text.len(),
    }
}

/// The text's first word, in capitals.
pub(crate) fn first_word(text: &str) -> String {
    Tokens::new(text).next().map(|token| token.text.to_ascii_uppercase()).unwrap_or_default()
}

fn before<'t>(text: &'t str, token: Token<'_>) -> &'t str {
    text.get(..token.start).unwrap_or(text)
}

/// Rows begin after the first line feed that only blanks precede, else after the blanks.
fn rows_after(text: &str, end: usize) -> usize {
    let rest = text.as_bytes().get(end..).unwrap_or_default();
    let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r')).count();
    end + blanks + usize::from(rest.get(blanks) == Some(&b'\n'))
}

/// The last `FORMAT name` outside of parentheses.
fn output_format(text: &str) -> Option<&str> {
    let mut depth = 0_u32;
    let mut found = None;
    let mut tokens = Tokens::new(text).peekable();
    while let Some(token) = tokens.next() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word if depth == 0 && token.is("FORMAT") => {
                if let Some(name) = tokens.next_if(|next| next.kind == Kind::Word) {
                    found = Some(name.text);
                }
            }
            Kind::Word | Kind::Other => {}
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    Open,
    Close,
    Other,
}

#[derive(Clone, Copy)]
struct Token<'t> {
    kind: Kind,
    text: &'t str,
    start: usize,
    end: usize,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(word)
    }
}

/// Words, parentheses and the rest; blanks and comments are skipped, quoted text is one token.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    fn skip(&mut self) {
        let bytes = self.text.as_bytes();
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            if rest.first().is_some_and(u8::is_ascii_whitespace) {
                self.at += 1;
            } else if rest.starts_with(b"--") || rest.starts_with(b"#!") || rest.starts_with(b"# ")
            {
                self.at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                let end = rest
                    .windows(2)
                    .skip(2)
                    .position(|pair| pair == b"*/")
                    .map_or(rest.len(), |end| end + 4);
                self.at += end.min(rest.len());
            } else {
                return;
            }
        }
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        self.skip();
        let start = self.at;
        let rest = self.text.as_bytes().get(start..)?;
        let first = *rest.first()?;
        let (kind, length) = match first {
            b'(' | b'[' | b'{' => (Kind::Open, 1),
            b')' | b']' | b'}' => (Kind::Close, 1),
            b'\'' | b'"' | b'`' => (Kind::Other, quoted(rest, first)),
            byte if is_word(byte) => {
                (Kind::Word, rest.iter().take_while(|byte| is_word(**byte)).count())
            }
            _ => (Kind::Other, 1),
        };
        self.at = start + length;
        // A multi-byte character outside of quotes is cut into bytes, none of which is a word.
        Some(Token {
            kind,
            text: self.text.get(start..self.at).unwrap_or_default(),
            start,
            end: self.at,
        })
    }
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        match *byte {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<'t>(head: &'t str, format: Option<&'t str>, data: usize) -> Statement<'t> {
        Statement::Insert { head, format, data }
    }

    #[test]
    fn finds_the_rows_of_an_insert() {
        let cases = [
            ("INSERT INTO t FORMAT CSV\n1,2", insert("INSERT INTO t ", Some("CSV"), 25)),
            ("INSERT INTO t(a) VALUES (1)", insert("INSERT INTO t(a) ", Some("Values"), 23)),
            (
                "insert into `format values` format RowBinary",
                insert("insert into `format values` ", Some("RowBinary"), 44),
            ),
            ("INSERT INTO t (format, values)", insert("INSERT INTO t (format, values)", None, 30)),
            (
                "-- x\nINSERT INTO t SETTINGS a='b' FORMAT TSV 1",
                insert("-- x\nINSERT INTO t SETTINGS a='b' ", Some("TSV"), 45),
            ),
            ("INSERT INTO t FORMAT TSV\r\n1", insert("INSERT INTO t ", Some("TSV"), 26)),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_a_query() {
        let cases = [
            ("SELECT 1 FORMAT JSON", Some("JSON")),
            ("SELECT 'FORMAT CSV'", None),
            ("SELECT * FROM (SELECT 1 FORMAT CSV) FORMAT TSV SETTINGS a=1", Some("TSV")),
            ("INSERT INTO t SELECT 1", None),
            ("INSERT INTO t (SELECT 1)", None),
            ("INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x", None),
            ("/* FORMAT CSV */ SELECT 1 -- FORMAT TSV", None),
            ("SELECT 'ü' AS ü FORMAT Native", Some("Native")),
            ("", None),
        ];
        for (text, format) in cases {
            assert_eq!(read(text), Statement::Query { format }, "{text}");
        }
        assert_eq!(
            read("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT CSV"),
            Statement::InsertFromFile
        );
    }
}
