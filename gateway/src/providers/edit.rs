//! Editing the client's own bytes: what is not edited is copied, never parsed and printed again.

use std::ops::Range;

use bytes::Bytes;

use crate::call::Field;

/// What becomes of a top-level field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Change {
    /// It gets this JSON value, and is added when it is not there.
    Set(Vec<u8>),
    /// It is left out.
    Drop,
    /// It keeps its value under another name.
    Rename(String),
    /// Parts of its value are replaced; places are those of the body, in order.
    Patch(Vec<(Range<usize>, Vec<u8>)>),
}

/// The body with the changes made; the same bytes when there are none to make. Of several changes
/// of a field the first counts.
pub(super) fn edit(body: &Bytes, fields: &[Field], changes: &[(&str, Change)]) -> Bytes {
    let is_new = |name: &str| !fields.iter().any(|field| &*field.name == name);
    let touches =
        |(name, change): &(&str, Change)| !is_new(name) || matches!(change, Change::Set(_));
    if !changes.iter().any(touches) {
        return body.clone();
    }
    let part = |range: Range<usize>| body.get(range).unwrap_or_default();
    let mut out = Vec::with_capacity(body.len() + 128);
    match fields.first() {
        Some(first) => out.extend_from_slice(part(0..first.whole.start)),
        None => out.push(b'{'),
    }
    let mut kept: Option<usize> = None;
    for (index, field) in fields.iter().enumerate() {
        let change = changes.iter().find(|(of, _)| *of == &*field.name).map(|(_, change)| change);
        if change == Some(&Change::Drop) {
            continue;
        }
        match kept.and_then(|before| Some((before, fields.get(before)?))) {
            None => {}
            Some((at, before)) if at + 1 == index => {
                out.extend_from_slice(part(before.whole.end..field.whole.start));
            }
            Some(_) => out.push(b','),
        }
        kept = Some(index);
        match change {
            None | Some(Change::Drop) => out.extend_from_slice(part(field.whole.clone())),
            Some(Change::Set(value)) => {
                out.extend_from_slice(part(field.whole.start..field.value.start));
                out.extend_from_slice(value);
            }
            Some(Change::Rename(name)) => entry(&mut out, name, part(field.value.clone())),
            Some(Change::Patch(patches)) => {
                let mut at = field.whole.start;
                for (range, with) in patches {
                    out.extend_from_slice(part(at..range.start));
                    out.extend_from_slice(with);
                    at = range.end;
                }
                out.extend_from_slice(part(at..field.whole.end));
            }
        }
    }
    let mut separate = kept.is_some();
    for (name, change) in changes {
        if let (true, Change::Set(value)) = (is_new(name), change) {
            if separate {
                out.push(b',');
            }
            separate = true;
            entry(&mut out, name, value);
        }
    }
    match fields.last() {
        Some(last) => out.extend_from_slice(part(last.whole.end..body.len())),
        None => out.push(b'}'),
    }
    Bytes::from(out)
}

/// The text as a JSON string.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}

fn entry(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(&quoted(name));
    out.push(b':');
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::call::scan;

    fn set(text: &str) -> Change {
        Change::Set(text.as_bytes().to_vec())
    }

    #[test]
    fn only_what_must_change_changes() {
        let body =
            Bytes::from_static(br#" { "model": "a/m",  "messages": [ {"x" : 1.0e3} ] , "n":1 } "#);
        let patch = |range: Range<usize>, text: &str| Change::Patch(vec![(range, text.into())]);
        for (changes, wanted) in [
            (vec![], r#" { "model": "a/m",  "messages": [ {"x" : 1.0e3} ] , "n":1 } "#),
            (
                vec![("absent", Change::Drop)],
                r#" { "model": "a/m",  "messages": [ {"x" : 1.0e3} ] , "n":1 } "#,
            ),
            (
                vec![("model", set("\"m\""))],
                r#" { "model": "m",  "messages": [ {"x" : 1.0e3} ] , "n":1 } "#,
            ),
            (
                vec![("n", Change::Drop), ("new", set("{}"))],
                r#" { "model": "a/m",  "messages": [ {"x" : 1.0e3} ],"new":{} } "#,
            ),
            (
                vec![("model", Change::Drop), ("n", Change::Rename("count".into()))],
                r#" { "messages": [ {"x" : 1.0e3} ] , "count":1 } "#,
            ),
            (vec![("messages", Change::Drop)], r#" { "model": "a/m","n":1 } "#),
            (
                vec![("messages", patch(36..37, "y"))],
                r#" { "model": "a/m",  "messages": [ {"y" : 1.0e3} ] , "n":1 } "#,
            ),
        ] {
            let edited = edit(&body, &scan(&body).unwrap(), &changes);
            assert_eq!(std::str::from_utf8(&edited).unwrap(), wanted, "{changes:?}");
            scan(&edited).unwrap();
        }
        let empty = Bytes::from_static(b" { } ");
        assert_eq!(
            edit(&empty, &[], &[("a", set("1")), ("b", set("2"))]),
            &b"{\"a\":1,\"b\":2}"[..]
        );
    }

    proptest! {
        #[test]
        fn edits_as_a_parsed_object_would_be(
            values in proptest::collection::vec((0_u8..5, -9_i32..9), 0..6),
            changes in proptest::collection::vec((0_u8..6, 0_u8..2), 0..5),
            space in "[ \n\t]{0,2}",
        ) {
            let mut object = serde_json::Map::new();
            for (name, value) in &values {
                object.insert(format!("f{name}"), (*value).into());
            }
            let fields: Vec<String> =
                object.iter().map(|(name, value)| format!("{space}\"{name}\"{space}:{space}{value}")).collect();
            let body = Bytes::from(format!("{{{}{space}}}", fields.join(",")));
            let names: Vec<String> = changes.iter().map(|(name, _)| format!("f{name}")).collect();
            let mut wanted = object.clone();
            let mut list: Vec<(&str, Change)> = Vec::new();
            for (name, (_, kind)) in names.iter().zip(&changes) {
                if list.iter().any(|(seen, _)| seen == name) {
                    continue;
                }
                if *kind == 0 {
                    wanted.remove(name);
                    list.push((name, Change::Drop));
                } else {
                    wanted.insert(name.clone(), 77.into());
                    list.push((name, set("77")));
                }
            }
            let edited = edit(&body, &scan(&body).unwrap(), &list);
            let edited: serde_json::Value = serde_json::from_slice(&edited).unwrap();
            prop_assert_eq!(edited, serde_json::Value::Object(wanted));
        }
    }
}
