//! Editing top-level fields in the client's own bytes: what is not edited is copied, never parsed
//! and printed again.

use bytes::Bytes;

use crate::call::Field;

/// What becomes of a field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It gets this JSON value, and is added when it is not there.
    Set(Vec<u8>),
    /// It is left out.
    Drop,
    /// It keeps its value under another name.
    Rename(String),
}

/// The body with the changes made; the same bytes when there are none to make.
pub fn edit(body: &Bytes, fields: &[Field], changes: &[(&str, Change)]) -> Bytes {
    let change_of = |name: &str| changes.iter().find(|(of, _)| *of == name).map(|(_, change)| change);
    let is_new = |name: &str| !fields.iter().any(|field| &*field.name == name);
    let touches = |(name, change): &(&str, Change)| !is_new(name) || matches!(change, Change::Set(_));
    if !changes.iter().any(touches) {
        return body.clone();
    }
    let mut out = Vec::with_capacity(body.len() + 128);
    out.push(b'{');
    let separate = |out: &mut Vec<u8>| {
        if out.len() > 1 {
            out.push(b',');
        }
    };
    for field in fields {
        let value = body.get(field.value.clone()).unwrap_or_default();
        match change_of(&field.name) {
            Some(Change::Drop) => {}
            Some(Change::Set(value)) => {
                separate(&mut out);
                entry(&mut out, &field.name, value);
            }
            Some(Change::Rename(name)) => {
                separate(&mut out);
                entry(&mut out, name, value);
            }
            None => {
                separate(&mut out);
                out.extend_from_slice(body.get(field.whole.clone()).unwrap_or_default());
            }
        }
    }
    for (name, change) in changes {
        if let (true, Change::Set(value)) = (is_new(name), change) {
            separate(&mut out);
            entry(&mut out, name, value);
        }
    }
    out.push(b'}');
    Bytes::from(out)
}

fn entry(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    // names are few and plain; serde_json quotes whatever they hold
    out.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::scan;

    #[test]
    fn only_what_must_change_changes() {
        let body = Bytes::from_static(br#"{ "model": "a/m",  "messages": [ {"x" : 1.0e3} ], "n":1 }"#);
        let set = |text: &str| Change::Set(text.as_bytes().to_vec());
        for (changes, wanted) in [
            (vec![], r#"{ "model": "a/m",  "messages": [ {"x" : 1.0e3} ], "n":1 }"#),
            (vec![("absent", Change::Drop)], r#"{ "model": "a/m",  "messages": [ {"x" : 1.0e3} ], "n":1 }"#),
            (vec![("model", set("\"m\""))], r#"{"model":"m","messages": [ {"x" : 1.0e3} ],"n":1}"#),
            (vec![("n", Change::Drop), ("new", set("{}"))], r#"{"model": "a/m","messages": [ {"x" : 1.0e3} ],"new":{}}"#),
            (vec![("n", Change::Rename("count".into()))], r#"{"model": "a/m","messages": [ {"x" : 1.0e3} ],"count":1}"#),
        ] {
            let edited = edit(&body, &scan(&body).unwrap(), &changes);
            assert_eq!(edited, wanted.as_bytes(), "{changes:?}");
            scan(&edited).unwrap();
        }
        let empty = Bytes::from_static(b"{}");
        assert_eq!(edit(&empty, &[], &[("a", set("1"))]), &b"{\"a\":1}"[..]);
    }
}
