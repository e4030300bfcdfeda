//! What this server must know of ClickHouse's formats: how blocks join into one answer, and the content type.

/// How the engine's blocks, each a whole document, become one answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Joining {
    /// One after the other.
    Concat,
    /// The first so many lines are a header, kept once.
    HeaderLines(usize),
    /// A binary header of names (and types), kept once.
    BinaryHeader {
        /// Types follow the names.
        types: bool,
    },
    /// They do not join: the answer is made in one piece, within the query's memory limit.
    Document,
}

/// How `format` joins.
pub(crate) fn joining(format: &str) -> Joining {
    let lower = format.to_ascii_lowercase();
    let (base, header) = match lower.strip_suffix("withnamesandtypes") {
        Some(base) => (base, 2),
        None => lower.strip_suffix("withnames").map_or((lower.as_str(), 0), |base| (base, 1)),
    };
    match (base, header) {
        ("rowbinary", 1..) => Joining::BinaryHeader { types: header == 2 },
        (
            "tsv"
            | "tabseparated"
            | "tsvraw"
            | "tabseparatedraw"
            | "csv"
            | "jsoncompacteachrow"
            | "jsoncompactstringseachrow",
            1..,
        ) => Joining::HeaderLines(header),
        (
            "tsv"
            | "tabseparated"
            | "tsvraw"
            | "tabseparatedraw"
            | "csv"
            | "jsoncompacteachrow"
            | "jsoncompactstringseachrow"
            | "jsoneachrow"
            | "jsonlines"
            | "ndjson"
            | "jsonstringseachrow"
            | "tskv"
            | "rowbinary"
            | "native"
            | "msgpack"
            | "lineasstring"
            | "rawblob"
            | "null",
            0,
        ) => Joining::Concat,
        _ => Joining::Document,
    }
}

impl Joining {
    /// The length of the header at the start of `block`.
    pub(crate) fn header_length(self, block: &[u8]) -> usize {
        match self {
            Self::Concat | Self::Document => 0,
            Self::HeaderLines(lines) => text_header(block, lines),
            Self::BinaryHeader { types } => binary_header(block, types).unwrap_or(0),
        }
    }
}

/// Lines end at a line feed outside of double quotes (CSV's names may hold one; other formats escape it).
fn text_header(block: &[u8], lines: usize) -> usize {
    let mut quoted = false;
    let mut left = lines;
    for (at, byte) in block.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => {
                left -= 1;
                if left == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    0
}

fn binary_header(block: &[u8], types: bool) -> Option<usize> {
    let mut at = 0;
    let columns = varint(block, &mut at)?;
    for _ in 0..columns * if types { 2 } else { 1 } {
        at += usize::try_from(varint(block, &mut at)?).ok()?;
    }
    (at <= block.len()).then_some(at)
}

fn varint(block: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = *block.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The `Content-Type` that ClickHouse gives to a format.
pub(crate) fn content_type(format: &str) -> &'static str {
    let lower = format.to_ascii_lowercase();
    if lower.contains("eachrow") || lower == "jsonlines" || lower == "ndjson" {
        return "application/x-ndjson; charset=UTF-8";
    }
    if lower.starts_with("json") {
        return "application/json; charset=UTF-8";
    }
    if lower.starts_with("csv") {
        return if lower.contains("withnames") {
            "text/csv; charset=UTF-8; header=present"
        } else {
            "text/csv; charset=UTF-8; header=absent"
        };
    }
    if lower.starts_with("tsv") || lower.starts_with("tabseparated") {
        return "text/tab-separated-values; charset=UTF-8";
    }
    match lower.as_str() {
        "native"
        | "rowbinary"
        | "rowbinarywithnames"
        | "rowbinarywithnamesandtypes"
        | "parquet"
        | "arrow"
        | "orc"
        | "avro"
        | "msgpack"
        | "arrowstream"
        | "npy" => "application/octet-stream",
        "xml" => "application/xml; charset=UTF-8",
        _ => "text/plain; charset=UTF-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_measured() {
        let cases: [(&str, &[u8], usize); 5] = [
            ("CSVWithNames", b"\"a\nb\",\"c\"\n1,2\n", 10),
            ("TSVWithNamesAndTypes", b"a\nUInt8\n1\n", 8),
            ("RowBinaryWithNamesAndTypes", b"\x01\x01a\x05UInt8\x07", 9),
            ("RowBinaryWithNames", b"\x01\x01a\x07", 3),
            ("TSV", b"a\n", 0),
        ];
        for (format, block, length) in cases {
            assert_eq!(joining(format).header_length(block), length, "{format}");
        }
    }

    #[test]
    fn documents_do_not_join() {
        for format in [
            "JSON",
            "JSONCompact",
            "Parquet",
            "Arrow",
            "PrettyCompact",
            "XML",
            "Vertical",
            "JSONEachRowWithProgress",
        ] {
            assert_eq!(joining(format), Joining::Document, "{format}");
        }
    }
}
