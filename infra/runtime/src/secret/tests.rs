use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use serde::{Deserialize, Serialize};

use super::*;

fn no_env(_: &str) -> Option<String> {
    None
}

#[test]
fn a_secret_is_not_shown() {
    let secret = Secret::from("sk-1");
    assert_eq!(
        format!("{secret:?} {:?}", SecretRef::Literal(secret.clone())),
        "Secret(redacted) Literal(Secret(redacted))"
    );
    assert_eq!(secret.expose(), "sk-1");
}

#[test]
fn references_resolve() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "from file\r\n").unwrap();
    let env = |name: &str| (name == "KEY").then(|| "from env".to_owned());
    for (text, wanted) in [
        ("env:KEY", Ok("from env")),
        ("env:NONE", Err("the variable NONE is not set: set it to the secret".into())),
        (&format!("file:{}", file.display()), Ok("from file")),
        ("file:no/such", Err("secret file no/such: No such file or directory (os error 2)".into())),
        ("sk-1", Ok("sk-1")),
    ] {
        let found = text.parse::<SecretRef>().unwrap().resolve(env);
        let found = found.as_ref().map(Secret::expose).map_err(ToString::to_string);
        assert_eq!(found, wanted, "{text}");
    }
    fs::write(&file, "\n").unwrap();
    let error = SecretRef::File(file.clone()).resolve(no_env).unwrap_err();
    assert!(error.to_string().ends_with("key is empty"), "{error}");
    fs::write(&file, [0xff]).unwrap();
    let error = SecretRef::File(file).resolve(no_env).unwrap_err();
    assert!(error.to_string().ends_with("is not UTF-8 text"), "{error}");
}

#[test]
fn a_literal_is_not_serialised_and_its_redaction_not_read() {
    #[derive(Serialize, Deserialize, Debug)]
    struct Settings {
        key: SecretRef,
    }
    for text in ["env:A", "file:/a/b"] {
        let settings: Settings = toml::from_str(&format!("key = {text:?}")).unwrap();
        assert_eq!(serde_json::to_value(settings).unwrap()["key"], text);
    }
    let settings: Settings = toml::from_str("key = 'sk-1'").unwrap();
    let printed = serde_json::to_string(&settings).unwrap();
    assert!(!printed.contains("sk-1"));
    let error = serde_json::from_str::<Settings>(&printed).unwrap_err();
    assert!(error.to_string().contains("a redacted secret"), "{error}");
    let error = toml::from_str::<Settings>("key = 4711").unwrap_err();
    assert_eq!(error.message(), "expected text: env:NAME, file:PATH or a secret");
    assert!("".parse::<SecretRef>().is_err() && "env:".parse::<SecretRef>().is_err());
}

#[test]
fn random_secrets_are_url_safe_and_differ() {
    let made: HashSet<String> =
        (0..100).map(|_| Secret::random(24).unwrap().expose().to_owned()).collect();
    assert_eq!(made.len(), 100);
    let url_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(made.iter().all(|text| text.len() == 32 && text.chars().all(url_safe)));
}

#[test]
fn a_made_secret_is_the_owners_alone_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let (first, made) = read_or_make(&path, 24).unwrap();
    assert!(made);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    let (second, made) = read_or_make(&path, 24).unwrap();
    assert!(!made);
    assert_eq!(first.expose(), second.expose());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");

    let error = write_new_0600(&path, b"other").unwrap_err();
    let Error::File { source, .. } = &error else { panic!("{error}") };
    assert_eq!(source.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(read_0600(&path).unwrap().expose(), first.expose());

    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let error = read_or_make(&path, 24).unwrap_err().to_string();
    assert!(error.contains("has mode 640") && error.contains("chmod 600"), "{error}");
}
