//! Looks for secrets where none may be, for tests.

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Finds secrets in bytes: as they are, in hex, URL-encoded, and in base64 wherever they begin in what
/// is encoded.
#[derive(Debug)]
pub struct Leaks {
    forms: AhoCorasick,
    named: Vec<String>,
}

impl Leaks {
    /// Looks for these: what each is called in reports, and the secret.
    ///
    /// # Panics
    /// A secret is too short to tell it from what is there by chance.
    pub fn of<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (mut all, mut named) = (Vec::new(), Vec::new());
        for (name, secret) in secrets {
            assert!(secret.len() >= 12, "{name} is too short to look for");
            for (form, text) in forms(secret) {
                all.push(text);
                named.push(format!("{name} ({form})"));
            }
        }
        #[expect(clippy::expect_used, reason = "of some dozen short texts")]
        let forms = AhoCorasick::new(&all).expect("an automaton");
        Self { forms, named }
    }

    /// Which are in there, and in which form.
    pub fn within(&self, bytes: impl AsRef<[u8]>) -> Vec<&str> {
        let found = self.forms.find_overlapping_iter(bytes.as_ref());
        let mut found: Vec<&str> = found
            .filter_map(|at| self.named.get(at.pattern().as_usize()))
            .map(|it| &**it)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn forms(secret: &str) -> Vec<(&'static str, String)> {
    let each = |write: &dyn Fn(u8) -> String| secret.bytes().map(write).collect::<String>();
    let mut forms = vec![
        ("as it is", secret.to_owned()),
        ("hex", each(&|byte| format!("{byte:02x}"))),
        ("hex", each(&|byte| format!("{byte:02X}"))),
        ("URL-encoded", each(&|byte| format!("%{byte:02X}"))),
        ("URL-encoded", each(&|byte| format!("%{byte:02x}"))),
    ];
    for before in 0..3 {
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode([&vec![0; before][..], secret.as_bytes()].concat());
            // the first and the last characters depend on what is around
            let whole = (before + secret.len()) * 8 / 6;
            let first = (before * 8).div_ceil(6);
            forms.push(("base64", text.get(first..whole).unwrap_or_default().to_owned()));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_and_place() {
        let secret = "a-secret/of+23 characters";
        let leaks = Leaks::of([("it", secret)]);
        let url: String = url_encoded(secret);
        for around in ["", "x", "xy", "xyz", "{\"n\": 1}"] {
            let text = format!("{around}{secret}{around}");
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            for (form, leaked) in [
                ("as it is", text.clone()),
                ("hex", hex),
                ("base64", STANDARD.encode(&text)),
                ("base64", URL_SAFE_NO_PAD.encode(&text)),
                ("URL-encoded", format!("{around}{url}")),
            ] {
                let found = leaks.within(&leaked);
                assert!(found.contains(&&*format!("it ({form})")), "{leaked}: {found:?}");
            }
        }
        assert_eq!(leaks.within("a-secret/of+23 character"), [""; 0]);
    }

    fn url_encoded(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }
}
