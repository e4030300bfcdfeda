//! How people sign in at the operators' listener.

use std::time::Duration;

use admin::signin::{Oidc, Settings};
use anyhow::{Context as _, ensure};
use runtime::config::Time;
use runtime::secret::SecretRef;
use serde::{Deserialize, Serialize};
use url::Url;

use super::Environment;

/// Sessions, and who else knows people.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigninConfig {
    /// Where people find the operators' listener, if that is not where it listens, such as
    /// `https://hub.example.com`.
    pub url: Option<String>,
    /// A session that is not used for so long is over.
    pub idle: Time,
    /// The longest that a session lasts.
    pub session: Time,
    /// An OpenID provider; who comes from there is known by their verified e-mail address.
    pub oidc: OidcConfig,
}

/// An OpenID provider.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OidcConfig {
    /// Its issuer, such as `https://id.example.com`; no provider when not given. It is to send people
    /// back to `/signin/callback`.
    pub issuer: Option<String>,
    /// As what it knows the hub.
    pub client_id: Option<String>,
    /// How the hub shows that it is that; none for a public client.
    pub client_secret: Option<SecretRef>,
    /// For people, on the button.
    pub name: String,
}

impl Default for SigninConfig {
    fn default() -> Self {
        Self {
            url: None,
            idle: Time(Duration::from_secs(15 * 60)),
            session: Time(Duration::from_secs(12 * 60 * 60)),
            oidc: OidcConfig::default(),
        }
    }
}

impl Default for OidcConfig {
    fn default() -> Self {
        let name = "your organisation".into();
        Self { issuer: None, client_id: None, client_secret: None, name }
    }
}

/// The shortest time in which a session that is used can be renewed: it is so when it is a minute old.
const SHORTEST: Duration = Duration::from_secs(2 * 60);

impl SigninConfig {
    /// What the types of the fields alone do not say.
    ///
    /// # Errors
    /// Names the field and what would be right.
    pub fn check(&self) -> anyhow::Result<()> {
        let (idle, session): (Duration, Duration) = (self.idle.into(), self.session.into());
        ensure!(idle >= SHORTEST, "signin.idle: at least 2m is wanted");
        ensure!(session >= idle, "signin.session: at least as long as signin.idle is wanted");
        self.address()?;
        self.oidc.check()
    }

    fn address(&self) -> anyhow::Result<Option<Url>> {
        let Some(text) = &self.url else {
            return Ok(None);
        };
        let url = web(text).context("signin.url")?;
        ensure!(
            url.path() == "/" && url.query().is_none() && url.fragment().is_none(),
            "signin.url: only where the host is, such as https://hub.example.com"
        );
        Ok(Some(url))
    }

    /// As the admin API takes it.
    ///
    /// # Errors
    /// The secret can't be read.
    pub fn settings(&self, environment: &Environment) -> anyhow::Result<Settings> {
        Ok(Settings {
            url: self.address()?,
            idle: self.idle.into(),
            session: self.session.into(),
            oidc: self.oidc.settings(environment)?,
        })
    }

    /// Where a person opens a sign-in link of a hub whose operators' listener has this address.
    pub fn link(&self, own: &str, link: &str) -> String {
        let url = self.url.as_deref().unwrap_or(own).trim_end_matches('/');
        format!("{url}/signin#link={link}")
    }
}

impl OidcConfig {
    fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.issuer.is_some() == self.client_id.is_some(),
            "signin.oidc.issuer and signin.oidc.client_id go together: give both or none"
        );
        ensure!(
            self.client_secret.is_none() || self.issuer.is_some(),
            "signin.oidc.client_secret is set, but signin.oidc.issuer (HUB_SIGNIN_OIDC_ISSUER) is not"
        );
        if let Some(issuer) = &self.issuer {
            let issuer = web(issuer).context("signin.oidc.issuer")?;
            // who can change its answers can be anybody
            ensure!(
                issuer.scheme() == "https" || is_here(&issuer),
                "signin.oidc.issuer: https is wanted"
            );
        }
        Ok(())
    }

    fn settings(&self, environment: &Environment) -> anyhow::Result<Option<Oidc>> {
        let (Some(issuer), Some(client_id)) = (&self.issuer, &self.client_id) else {
            return Ok(None);
        };
        let secret = self.client_secret.as_ref();
        let secret =
            secret.map(|reference| reference.resolve(|name| environment.get(name).cloned()));
        Ok(Some(Oidc {
            issuer: issuer.clone(),
            client_id: client_id.clone(),
            client_secret: secret.transpose().context("signin.oidc.client_secret")?,
            name: self.name.clone(),
        }))
    }
}

fn web(text: &str) -> anyhow::Result<Url> {
    let url = Url::parse(text).with_context(|| format!("{text:?} is no address"))?;
    ensure!(
        matches!(url.scheme(), "http" | "https") && url.has_host(),
        "{text:?}: an address such as https://hub.example.com is wanted"
    );
    Ok(url)
}

fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let config: SigninConfig = toml::from_str(text).unwrap();
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn what_does_not_go_together_is_named() {
        SigninConfig::default().check().unwrap();
        for (text, field) in [
            ("idle = \"1s\"", "signin.idle"),
            ("session = \"5m\"", "signin.session"),
            ("url = \"hub.example.com\"", "signin.url"),
            ("url = \"https://example.com/hub\"", "signin.url"),
            ("oidc = { issuer = \"https://id.example.com\" }", "signin.oidc.client_id"),
            ("oidc = { client_secret = \"x\" }", "signin.oidc.client_secret"),
            (
                "oidc = { issuer = \"http://id.example.com\", client_id = \"hub\" }",
                "signin.oidc.issuer",
            ),
        ] {
            let told = wrong(text);
            assert!(told.contains(field), "{told}");
        }
        let near = "oidc = { issuer = \"http://127.0.0.1:9000\", client_id = \"hub\" }";
        toml::from_str::<SigninConfig>(near).unwrap().check().unwrap();
    }

    #[test]
    fn a_link_is_opened_where_people_find_the_hub() {
        let mut config = SigninConfig::default();
        let own = "https://127.0.0.1:1";
        assert_eq!(config.link(own, "a.b"), "https://127.0.0.1:1/signin#link=a.b");
        config.url = Some("https://hub.example.com/".into());
        assert_eq!(config.link(own, "a.b"), "https://hub.example.com/signin#link=a.b");
    }
}
