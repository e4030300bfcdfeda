//! What a person is told when the hub serves: where, and two commands that work at once.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::config::SigninConfig;
use crate::role::Role;
use crate::serve::Running;

/// Prints it to standard output.
///
/// # Errors
/// Standard output is gone.
pub(crate) fn print(
    running: &Running,
    data: &Path,
    signin: &SigninConfig,
    roles: &[Role],
) -> anyhow::Result<()> {
    let mut text = String::new();
    let (url, admin) = &running.urls;
    match url {
        Some(url) => {
            let key = shown(data).join("secrets").join("client-key");
            writeln!(text, "\nhub serves on {url}  (operators: {admin})\n")?;
            writeln!(
                text,
                "  curl {url}/v1/chat/completions -H \"Authorization: Bearer $(cat {})\" \\",
                quote(&key)
            )?;
            writeln!(
                text,
                "    -H 'Content-Type: application/json' -d '{{\"model\": \"demo\", \"messages\": [{{\"role\": \"user\", \"content\": \"hello\"}}]}}'\n"
            )?;
            match running.warehouse.as_ref().map(|it| (it.variable(), it.missing())) {
                Some((clickhouse, None)) => writeln!(
                    text,
                    "  HUB_DATA={} {} {} sql \"SELECT admitted_at, model, outcome, duration_us FROM usage ORDER BY admitted_at DESC LIMIT 5\"\n",
                    quote(&shown(data)),
                    clickhouse,
                    quote(&program()),
                )?,
                Some((_, Some(why))) => writeln!(text, "  no SQL for now: {why}\n")?,
                None => {}
            }
        }
        None => {
            let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
            let names = if names.is_empty() { "clickhouse".to_owned() } else { names.join(", ") };
            writeln!(text, "hub {names} runs on {}  (operators: {admin})", data.display())?;
        }
    }
    if let Some(link) = running.link() {
        let address = signin.link(admin, link.expose());
        let again = "`hub bootstrap` makes another";
        writeln!(text, "  sign in as owner, once and within an hour ({again}):\n  {address}\n")?;
    }
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

/// This program, as a person in this folder would type it.
fn program() -> PathBuf {
    std::env::current_exe().map_or_else(|_| PathBuf::from("hub"), |path| shown(&path))
}

/// The path from here, where that is shorter.
fn shown(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).map_or_else(|_| path.to_owned(), Path::to_owned)
}

fn quote(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
