//! Where the parts of a form (`multipart/form-data`) stand, found in one pass over its bytes. Sans-IO.
//!
//! <https://www.rfc-editor.org/rfc/rfc7578>, <https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1>. Clients write forms
//! in one way; what other parsers could read in another way is refused, so that the provider reads what the hub did.

use http::HeaderValue;
use memchr::memmem;

use super::Field;
use crate::error::{Error, Kind};

/// More parts than this are refused.
const MAX_PARTS: usize = 256;
/// Longer heads of parts are refused.
const MAX_HEAD: usize = 8 << 10;

/// The parts of a form, in order; a name may be there more than once. The value of a part is its content as it stands.
///
/// # Errors
/// [`Kind::ContentType`]: no boundary; [`Kind::MalformedBody`]: not a form of this boundary.
pub fn scan_form(content_type: &HeaderValue, body: &[u8]) -> Result<Vec<Field>, Error> {
    let boundary = boundary(content_type).ok_or_else(|| {
        let message = "content-type must be multipart/form-data with one boundary";
        Error::new(Kind::ContentType, message)
    })?;
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    // most have no line before the first one
    let opening = delimiter.trim_start();
    let opening = [opening, &delimiter].into_iter().find(|text| body.starts_with(text.as_bytes()));
    let mut at = opening.ok_or_else(|| malformed("does not begin with its boundary"))?.len();
    let mut parts = Vec::new();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        match rest {
            [b'-', b'-', end @ ..] if end.trim_ascii().is_empty() => return Ok(parts),
            [b'\r', b'\n', ..] => {}
            [b'-', b'-', ..] => return Err(malformed("goes on behind its end")),
            _ => return Err(malformed("has more than a line's end behind a boundary")),
        }
        let rest = rest.get(2..).unwrap_or_default();
        let window = rest.get(..MAX_HEAD.min(rest.len())).unwrap_or_default();
        let head = memmem::find(window, b"\r\n\r\n")
            .ok_or_else(|| malformed("has a part without an end of its head"))?;
        let name = name(rest.get(..head).unwrap_or_default())?;
        let start = at + 2;
        let value = start + head + 4;
        let content = body.get(value..).unwrap_or_default();
        let length = finder.find(content).ok_or_else(|| malformed("ends inside a part"))?;
        if parts.len() == MAX_PARTS {
            let message = format!("the form has more than {MAX_PARTS} parts");
            return Err(Error::new(Kind::MalformedBody, message));
        }
        let end = value + length;
        parts.push(Field { name, whole: start..end, value: value..end });
        at = end + delimiter.len();
    }
}

fn malformed(what: &str) -> Error {
    Error::new(Kind::MalformedBody, format!("the form {what}"))
}

/// The boundary, as all parsers read it.
fn boundary(content_type: &HeaderValue) -> Option<&str> {
    let mut found = None;
    for parameter in content_type.to_str().ok()?.split(';').skip(1) {
        let Some((name, value)) = parameter.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            let value = value.trim();
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            if found.replace(quoted.unwrap_or(value)).is_some() {
                return None;
            }
        }
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    found.filter(|text| (1..=70).contains(&text.len()) && text.bytes().all(plain))
}

/// The name of a part, by its head.
fn name(head: &[u8]) -> Result<Box<str>, Error> {
    let head = std::str::from_utf8(head).map_err(|_| malformed("has a head that is no text"))?;
    let mut found: Option<Box<str>> = None;
    for line in head.split("\r\n") {
        let (header, value) = line
            .split_once(':')
            .filter(|(header, _)| header.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| malformed("has a part with a header that is none"))?;
        if header.eq_ignore_ascii_case("content-transfer-encoding")
            && !["binary", "8bit", "7bit"].iter().any(|no| value.trim().eq_ignore_ascii_case(no))
        {
            return Err(malformed("has a part with a content-transfer-encoding; send it as it is"));
        }
        if header.eq_ignore_ascii_case("content-disposition")
            && found.replace(disposed(value)?).is_some()
        {
            return Err(malformed("has a part with two names"));
        }
    }
    found.ok_or_else(|| malformed("has a part without content-disposition: form-data"))
}

/// The name in a disposition such as `form-data; name="file"; filename="a;b.mp3"`.
fn disposed(value: &str) -> Result<Box<str>, Error> {
    let bad = || malformed("has a part whose content-disposition has not one plain name");
    let (kind, mut rest) = value.split_once(';').ok_or_else(bad)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(bad());
    }
    let mut found: Option<Box<str>> = None;
    while !rest.trim().is_empty() {
        let (key, after) = rest.split_once('=').ok_or_else(bad)?;
        let (text, after) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => {
                let end = quote(quoted).ok_or_else(bad)?;
                (quoted.get(..end).unwrap_or_default(), quoted.get(end + 1..).unwrap_or_default())
            }
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return Err(bad()),
        };
        let key = key.trim();
        if key.eq_ignore_ascii_case("name") {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(&byte);
            let text = text.trim();
            if !text.bytes().all(plain) || found.replace(text.into()).is_some() {
                return Err(bad());
            }
        } else if key.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("name*")) {
            return Err(bad());
        }
    }
    found.filter(|name| !name.is_empty()).ok_or_else(bad)
}

/// Where a quoted text ends.
fn quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scanned(content_type: &str, body: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let fields = scan_form(&HeaderValue::from_str(content_type).unwrap(), body);
        let fields = fields.map_err(|error| error.message.to_string())?;
        Ok(fields
            .iter()
            .map(|field| (field.name.to_string(), body[field.value.clone()].to_vec()))
            .collect())
    }

    const TYPE: &str = "multipart/form-data; boundary=b-1";

    #[test]
    fn parts_are_found_where_they_stand() {
        let body = b"--b-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--b-1\r\ncontent-disposition: form-data; filename=\"a;\\\"b\\\" name=x.mp3\"; name=file\r\nContent-Type: audio/mpeg\r\n\r\n\xff\r\n--b-\r\n\0\r\n--b-1\r\nContent-Disposition: form-data; name=\"include[]\"\r\n\r\n\r\n--b-1--\r\n";
        let wanted = [
            ("model".to_owned(), b"whisper-1".to_vec()),
            ("file".to_owned(), b"\xff\r\n--b-\r\n\0".to_vec()),
            ("include[]".to_owned(), Vec::new()),
        ];
        for content_type in
            [TYPE, "Multipart/Form-Data; charset=utf-8; Boundary=\"b-1\"", "x;boundary= b-1 "]
        {
            assert_eq!(scanned(content_type, body).unwrap(), wanted, "{content_type}");
        }
        assert_eq!(scanned(TYPE, &[b"\r\n", &body[..]].concat()).unwrap(), wanted);
        assert_eq!(scanned(TYPE, b"--b-1--").unwrap(), []);
    }

    #[test]
    fn what_parsers_could_read_in_two_ways_is_refused() {
        let part = |head: &str| format!("--b-1\r\n{head}\r\n\r\nx\r\n--b-1--\r\n");
        for (content_type, body, says) in [
            ("multipart/form-data", part("Content-Disposition: form-data; name=a"), "one boundary"),
            ("multipart/form-data; boundary=", String::new(), "one boundary"),
            ("multipart/form-data; boundary=a; boundary=b-1", String::new(), "one boundary"),
            ("multipart/form-data; boundary=\"a\\\"b\"", String::new(), "one boundary"),
            (TYPE, "{\"model\":\"secret\"}".into(), "does not begin"),
            (TYPE, "--b-1".into(), "behind a boundary"),
            (TYPE, "--b-1x\r\n".into(), "behind a boundary"),
            (TYPE, "--b-1--\r\n--b-1\r\n".into(), "behind its end"),
            (TYPE, "--b-1\r\nContent-Disposition: form-data; name=a".into(), "end of its head"),
            (
                TYPE,
                "--b-1\r\nContent-Disposition: form-data; name=a\r\n\r\nx".into(),
                "inside a part",
            ),
            (TYPE, part("Content-Type: text/plain"), "without content-disposition"),
            (TYPE, part("Content-Disposition: attachment; name=a"), "not one plain name"),
            (TYPE, part("Content-Disposition: form-data"), "not one plain name"),
            (TYPE, part("Content-Disposition: form-data; name=\"\""), "not one plain name"),
            (TYPE, part("Content-Disposition: form-data; name=\"m%6fdel\""), "not one plain name"),
            (TYPE, part("Content-Disposition: form-data; name=\"m\\odel\""), "not one plain name"),
            (
                TYPE,
                part("Content-Disposition: form-data; name=a; name=model"),
                "not one plain name",
            ),
            (
                TYPE,
                part("Content-Disposition: form-data; name=a; name*=utf-8''model"),
                "not one plain name",
            ),
            (TYPE, part("Content-Disposition: form-data; name=\"a\" \"b\""), "not one plain name"),
            (
                TYPE,
                part("Content-Disposition: form-data; name=a\r\n ; name=model"),
                "header that is none",
            ),
            (
                TYPE,
                part(
                    "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b",
                ),
                "two names",
            ),
            (
                TYPE,
                part("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64"),
                "transfer-encoding",
            ),
        ] {
            let error = scanned(content_type, body.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{content_type} {body}: {error}");
            assert!(!error.contains("secret"));
        }
        let many = "--b-1\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n".repeat(257);
        assert!(scanned(TYPE, format!("{many}--b-1--").as_bytes()).unwrap_err().contains("256"));
    }

    proptest! {
        #[test]
        fn any_content_comes_back(
            parts in proptest::collection::vec(("[a-z_]{1,8}", proptest::collection::vec(any::<u8>(), 0..60)), 0..6),
        ) {
            let mut body = Vec::new();
            for (name, content) in &parts {
                body.extend_from_slice(format!("--bound\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n").as_bytes());
                body.extend_from_slice(content);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"--bound--\r\n");
            prop_assert_eq!(scanned("m; boundary=bound", &body).unwrap(), parts);
        }

        #[test]
        fn any_bytes_are_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            scanned(TYPE, &body).ok();
            let whole = b"--b-1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b-1--\r\n";
            scanned(TYPE, &whole[..cut.min(whole.len())]).ok();
        }
    }
}
