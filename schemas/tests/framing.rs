//! Confluent framing, and what is said of values that are not in it.

use schemas::event::{Tick, Usage};
use schemas::wire::{Codec, Error, HEADER, SCHEMAS, SchemaName};

#[test]
fn a_value_is_a_zero_byte_the_id_and_the_body() {
    let framed = Codec::fixed().to_vec(&Tick { period_us: 1 }).unwrap();
    assert_eq!(framed, [0, 0, 0, 0, 3, 2]);
    assert_eq!(Codec::fixed().name_of(&framed).unwrap(), SchemaName::Tick);
}

#[test]
fn encode_appends() {
    let codec = Codec::fixed();
    let mut out = vec![9];
    codec.encode(&Tick { period_us: 1 }, &mut out).unwrap();
    codec.encode(&Tick { period_us: -1 }, &mut out).unwrap();
    assert_eq!(out, [9, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 3, 1]);
}

#[test]
fn what_is_wrong_with_a_value_is_said() {
    for (value, wanted) in [
        (&[][..], "not in Confluent framing: 0 bytes, first None"),
        (&[0, 0, 0], "not in Confluent framing: 3 bytes, first Some(0)"),
        (&[1, 0, 0, 0, 3, 2], "not in Confluent framing: 6 bytes, first Some(1)"),
        (b"{\"a\": 1}", "not in Confluent framing: 8 bytes, first Some(123)"),
        (&[0, 0, 0, 0, 200, 2], "schema id 200 is not known"),
        (&[0, 0, 0, 0, 0, 2], "schema id 0 is not known"),
        (&[0, 0, 0, 0, 1, 2], "the value is of schema Usage, wanted Tick"),
        (&[0, 0, 0, 0, 3, 2, 7, 7], "2 bytes are left behind the value"),
    ] {
        let error = Codec::fixed().decode::<Tick>(value).unwrap_err();
        assert_eq!(error.to_string(), wanted, "{value:?}");
    }
    let cut = Codec::fixed().decode::<Tick>(&[0, 0, 0, 0, 3]).unwrap_err();
    assert!(matches!(cut, Error::Avro(_)), "{cut}");
}

#[test]
fn a_length_that_lies_does_not_ask_for_memory() {
    let mut value = vec![0, 0, 0, 0, 1];
    value.extend([0; 32]); // call, origin
    value.push(2); // seq
    value.extend([0xfe, 0xff, 0xff, 0xff, 0xff, 0x7f]); // an account of 2^40 bytes
    let error = Codec::fixed().decode::<Usage>(&value).unwrap_err().to_string();
    assert_eq!(error, "avro: the value is cut short");
}

#[test]
fn each_name_has_one_written_version_that_is_its_last() {
    for (id, name, _) in SCHEMAS {
        let mut framed = vec![0];
        framed.extend(id.to_be_bytes());
        assert_eq!(Codec::fixed().name_of(&framed).unwrap(), *name);
    }
    assert_eq!(HEADER, 5);
}
