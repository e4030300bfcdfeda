//! Embeddings: unit vectors that depend on the text, as floats or as base64.

use base64::Engine as _;
use serde_json::{Value, json};

use super::answer::{Asked, json_answer};
use super::behaviour::Behaviour;
use super::script::Script;

/// The script of an embeddings answer.
pub(super) fn answer(asked: &Asked, behaviour: &Behaviour) -> Script {
    let dimensions = asked.body["dimensions"].as_u64().unwrap_or(16).min(4096);
    let packed = asked.body["encoding_format"] == "base64";
    let inputs: Vec<Value> = match &asked.body["input"] {
        Value::Array(list) if !list.iter().all(Value::is_number) => list.clone(),
        other => vec![other.clone()],
    };
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, input)| {
            let vector = vector(&input.to_string(), dimensions);
            let embedding = if packed { pack(&vector) } else { json!(vector) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let prompt = asked.prompt_tokens();
    let mut body = json!({"object": "list", "data": data, "model": asked.model()});
    if behaviour.usage {
        body["usage"] = json!({"prompt_tokens": prompt, "total_tokens": prompt});
    }
    let mut script = json_answer(asked, &body);
    script.prompt = prompt;
    script
}

/// Little-endian floats in base64, as the vendor packs them.
fn pack(vector: &[f32]) -> Value {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    base64::engine::general_purpose::STANDARD.encode(bytes).into()
}

/// Quarters between -2 and 2, exact in a float and in JSON.
fn vector(text: &str, dimensions: u64) -> Vec<f32> {
    let mut state: u32 = 2_166_136_261;
    let mut mix = |byte: u8| {
        state = (state ^ u32::from(byte)).wrapping_mul(16_777_619);
        state
    };
    for byte in text.bytes() {
        mix(byte);
    }
    (0..dimensions)
        .map(|at| {
            let quarter = u8::try_from(mix(at.to_le_bytes()[0]) >> 28).unwrap_or_default();
            f32::from(quarter) / 4.0 - 2.0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_hold_the_same_numbers() {
        let Value::String(text) = pack(&vector("x", 4)) else {
            panic!("not packed");
        };
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let numbers: Vec<f32> = bytes
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
            .collect();
        assert_eq!(numbers, vector("x", 4));
        assert_ne!(vector("x", 4), vector("y", 4));
    }
}
