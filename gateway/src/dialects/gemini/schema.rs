//! Google's own schema dialect, a part of OpenAPI's, as JSON Schema.
//!
//! <https://ai.google.dev/api/caching#Schema>

use serde_json::{Map, Value, json};

use super::object::{At, camel, wrong};
use crate::error::Error;

/// A schema: types are in capitals, `nullable` is a field, and numbers may be strings.
pub(super) fn read(from: At<'_>) -> Result<Value, Error> {
    let Value::Object(fields) = from.value else {
        return Err(wrong(&from.at, "an object"));
    };
    let mut schema = Map::new();
    let mut nullable = false;
    for (said, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let field = At { at: format!("{}.{said}", from.at), value };
        let name = camel(said);
        let value = match &*name {
            "nullable" => {
                nullable = value.as_bool().ok_or_else(|| wrong(&field.at, "true or false"))?;
                continue;
            }
            // of which JSON Schema has none, and which say nothing of what is allowed
            "propertyOrdering" | "example" => continue,
            "type" => match kind(&field)? {
                Some(kind) => kind,
                None => continue,
            },
            "items" => read(field)?,
            "additionalProperties" if value.is_object() => read(field)?,
            "properties" | "defs" | "$defs" => named(field)?,
            "anyOf" | "oneOf" | "allOf" | "prefixItems" => {
                let all = field.list()?.into_iter().map(read);
                all.collect::<Result<Vec<_>, _>>()?.into()
            }
            "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties"
            | "maxProperties" => field.whole()?.into(),
            _ => value.clone(),
        };
        let name = match &*name {
            "defs" => "$defs",
            "ref" => "$ref",
            name => name,
        };
        schema.insert(name.to_owned(), value);
    }
    if nullable {
        or_null(&mut schema);
    }
    Ok(schema.into())
}

/// `STRING` as `string`; `None` where none is meant.
fn kind(field: &At<'_>) -> Result<Option<Value>, Error> {
    if let Value::Array(_) = field.value {
        return Ok(Some(field.value.clone()));
    }
    let kind = field.text()?.to_ascii_lowercase();
    match kind.as_str() {
        "type_unspecified" => Ok(None),
        "string" | "number" | "integer" | "boolean" | "array" | "object" | "null" => {
            Ok(Some(kind.into()))
        }
        _ => Err(wrong(&field.at, "STRING, NUMBER, INTEGER, BOOLEAN, ARRAY, OBJECT or NULL")),
    }
}

fn named(field: At<'_>) -> Result<Value, Error> {
    let Value::Object(map) = field.value else {
        return Err(wrong(&field.at, "an object"));
    };
    let mut all = Map::new();
    for (name, value) in map {
        // names of properties are the client's own: they keep their spelling
        all.insert(name.clone(), read(At { at: format!("{}.{name}", field.at), value })?);
    }
    Ok(all.into())
}

fn or_null(schema: &mut Map<String, Value>) {
    let values = schema.get_mut("enum").and_then(Value::as_array_mut);
    if let Some(values) = values.filter(|values| !values.contains(&Value::Null)) {
        values.push(Value::Null);
    }
    if let Some(kind) = schema.get_mut("type") {
        if kind.is_string() {
            *kind = json!([kind, "null"]);
        }
    } else if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        any.push(json!({"type": "null"}));
    }
}
