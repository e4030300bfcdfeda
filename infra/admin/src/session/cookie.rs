//! Cookies: under which names, and how they are bound to the place where they were set.

use std::net::IpAddr;

use http::HeaderValue;
use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::uri::Authority;

use crate::Admin;
use crate::problem::Problem;

/// Which requests from other sites a cookie comes with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SameSite {
    /// None.
    Strict,
    /// Those by which a person comes here.
    Lax,
}

/// The cookies of the place that a request is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Jar {
    /// Sent by TLS alone, and by this host alone.
    secure: bool,
    /// Browsers keep cookies by host, not by port: of several hubs on one machine each has its own.
    port: Option<u16>,
}

impl Jar {
    /// As the settings say how people come here; else by the host that they came to.
    pub(crate) fn of(admin: &Admin, head: &Parts) -> Self {
        let host = host(head);
        let port = host.as_ref().and_then(Authority::port_u16);
        let secure = match admin.signin.url() {
            Some(url) => url.scheme() == "https",
            None => !host.is_some_and(|host| is_loopback(host.host())),
        };
        Self { secure, port }
    }

    /// Whether people come by TLS.
    pub(crate) const fn is_secure(&self) -> bool {
        self.secure
    }

    fn name(&self, name: &str) -> String {
        match (self.secure, self.port) {
            (true, _) => format!("__Host-{name}"),
            (false, Some(port)) => format!("{name}-{port}"),
            (false, None) => name.to_owned(),
        }
    }

    /// What a request's cookie of this name says.
    pub(crate) fn read(&self, head: &Parts, name: &str) -> Option<String> {
        let name = self.name(name);
        let all = head.headers.get_all(COOKIE).into_iter();
        let mut pairs = all.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(';'));
        let value = pairs.find_map(|pair| {
            let (of, value) = pair.trim().split_once('=')?;
            (of == name).then_some(value)
        });
        value.filter(|value| !value.is_empty()).map(str::to_owned)
    }

    /// Sets a cookie for so many seconds; 0 takes it away.
    ///
    /// # Errors
    /// None for the values there are.
    pub(crate) fn set(
        &self,
        name: &str,
        value: &str,
        seconds: i64,
        same_site: SameSite,
    ) -> Result<HeaderValue, Problem> {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!(
            "{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={same_site:?}{secure}",
            self.name(name)
        );
        HeaderValue::from_str(&text).map_err(|error| {
            tracing::error!(%error, "a cookie could not be set");
            Problem::internal()
        })
    }
}

/// Where a request was sent to, as its sender names it.
pub(crate) fn host(head: &Parts) -> Option<Authority> {
    let header = || head.headers.get(HOST)?.to_str().ok()?.parse().ok();
    head.uri.authority().cloned().or_else(header)
}

/// Whether a name or address is that of the machine itself.
fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(cookie: &str) -> Parts {
        Request::builder().header(COOKIE, cookie).body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_cookie_is_secure_and_of_its_host_alone_but_on_the_machine_itself() {
        let there = Jar { secure: true, port: Some(8788) };
        let set = there.set("s", "v", 9, SameSite::Strict).unwrap();
        assert_eq!(set, "__Host-s=v; Path=/; Max-Age=9; HttpOnly; SameSite=Strict; Secure");
        let here = Jar { secure: false, port: Some(8788) };
        let set = here.set("s", "", 0, SameSite::Lax).unwrap();
        assert_eq!(set, "s-8788=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
        let shown = head("a=b; __Host-s=1; s-8788=2; s-8789=3; s=");
        assert_eq!(there.read(&shown, "s").as_deref(), Some("1"));
        assert_eq!(here.read(&shown, "s").as_deref(), Some("2"));
        assert_eq!(Jar { secure: false, port: None }.read(&shown, "s"), None);
    }

    #[test]
    fn the_machine_itself_is_known_by_its_names() {
        for (host, own) in [
            ("localhost", true),
            ("hub.localhost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("[::1]", true),
            ("hub.example.com", false),
            ("10.0.0.1", false),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
        ] {
            assert_eq!(is_loopback(host), own, "{host}");
        }
    }
}
