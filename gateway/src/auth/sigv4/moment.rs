//! Times as they are signed: `20260102T030405Z`.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use runtime::clock::Micros;

const SECOND: i64 = 1_000_000;

/// The moment; `None` when it is none, or not written so.
pub(super) fn read(text: &str) -> Option<Micros> {
    let shape = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != 16 || !text.bytes().enumerate().all(shape) {
        return None;
    }
    let part = |from: usize| text.get(from..from + 2);
    let (year, month, day) = (text.get(..4)?, part(4)?, part(6)?);
    let (hour, minute, second) = (part(9)?, part(11)?, part(13)?);
    let long = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let moment = DateTime::from_str(&long, Format::DateTime).ok()?;
    moment.secs().checked_mul(SECOND).map(Micros)
}

/// The moment in that form.
pub(super) fn show(moment: Micros) -> String {
    let moment = DateTime::from_secs(moment.0.div_euclid(SECOND));
    moment.fmt(Format::DateTime).unwrap_or_default().replace(['-', ':'], "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_shown_alike() {
        for (text, seconds) in [
            ("19700101T000000Z", 0),
            ("20260102T030405Z", 1_767_323_045),
            ("20280229T235959Z", 1_835_481_599),
        ] {
            assert_eq!(read(text), Some(Micros(seconds * SECOND)), "{text}");
            assert_eq!(show(Micros(seconds * SECOND + 999_999)), text);
        }
        for text in [
            "",
            "20260102T030405",
            "2026-01-02T03:04:05Z",
            "20260102T030405z",
            "20260102t030405Z",
            "20261302T030405Z",
            "20260230T030405Z",
            "20260102T250405Z",
            "20260102T030405Z ",
            "+0260102T030405Z",
            "2026010éT03040Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
