//! Addresses of methods.

use std::fmt::Write as _;

use crate::error::Error;
use crate::routing::Target;

/// The name of the target's model as a resource, such as `models/gemini-3.6-flash`.
pub(super) fn resource(target: &Target) -> String {
    let (folder, name) = parts(target.model.as_str());
    format!("{folder}{name}")
}

/// Folder and name; a name without a folder is one of `models/`.
pub(super) fn parts(model: &str) -> (&'static str, &str) {
    let known = ["models/", "tunedModels/"];
    let found = known.into_iter().find_map(|folder| Some((folder, model.strip_prefix(folder)?)));
    found.unwrap_or(("models/", model))
}

/// The address of a method of the target's model.
pub(super) fn of(target: &Target, method: &str) -> Result<http::Uri, Error> {
    let (folder, name) = parts(target.model.as_str());
    target.endpoint.at(&format!("/{folder}{}:{method}", escaped(name)))
}

/// As one segment of a path: no name leads out of the folder.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~' | b'@') {
            out.push(char::from(byte));
        } else {
            // a String takes all that is written to it
            let _written = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_its_segment() {
        for (name, wanted) in [
            ("gemini-2.5-pro", "gemini-2.5-pro"),
            ("../files/x?key=1#", "..%2Ffiles%2Fx%3Fkey%3D1%23"),
            ("é%", "%C3%A9%25"),
        ] {
            assert_eq!(escaped(name), wanted);
        }
        assert_eq!(parts("tunedModels/mine"), ("tunedModels/", "mine"));
        assert_eq!(parts("models/m"), ("models/", "m"));
        assert_eq!(parts("m"), ("models/", "m"));
    }
}
