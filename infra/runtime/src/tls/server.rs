//! Who we are when we are the server: a certificate and its key in two files, read again when they change.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Error, provider};
use crate::task::CancellationToken;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// A certificate, which may change while it is in use.
#[derive(Debug)]
pub struct Identity {
    certificate: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    shown: Arc<Shown>,
    /// What the files held when they were last looked at, good or not.
    seen: Mutex<Files>,
}

#[derive(Debug)]
struct Shown(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// Both files, as they are.
#[derive(PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Files")
    }
}

impl Identity {
    /// Reads both files, in PEM: the certificate with those between it and its authority, and its key.
    ///
    /// # Errors
    /// One can't be read, or they do not belong together; names the file.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let provider = provider();
        let seen = Files::read(certificate, key)?;
        let made = seen.certified(certificate, key, &provider)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            provider,
            shown: Arc::new(Shown(ArcSwap::from_pointee(made))),
            seen: Mutex::new(seen),
        })
    }

    /// How a server speaks TLS with it: HTTP/2, or else HTTP/1.1.
    ///
    /// # Errors
    /// The library refuses.
    pub fn server(&self) -> Result<ServerConfig, Error> {
        let shown: Arc<dyn ResolvesServerCert> = Arc::clone(&self.shown) as _;
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(shown);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Shows what the files hold from now on, if that has changed: whether it has. Connections that are there stay.
    ///
    /// # Errors
    /// They can't be used: what was shown before still is. The same files are not complained of again.
    pub fn look(&self) -> Result<bool, Error> {
        let now = Files::read(&self.certificate, &self.key)?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == now {
            return Ok(false);
        }
        let made = now.certified(&self.certificate, &self.key, &self.provider);
        *seen = now;
        self.shown.0.store(Arc::new(made?));
        Ok(true)
    }

    /// Looks again and again until told to stop.
    pub async fn follow(&self, token: CancellationToken) {
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.look() {
                Ok(false) => {}
                Ok(true) => {
                    let certificate = self.certificate.display();
                    tracing::info!(%certificate, "a new certificate is shown from now on");
                }
                Err(error) => tracing::error!(%error, "the certificate before is still shown"),
            }
        }
    }
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let read = |path: &Path| std::fs::read(path).map_err(|error| Error::bad(path, error));
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    fn certified(
        &self,
        certificate: &Path,
        key: &Path,
        provider: &CryptoProvider,
    ) -> Result<CertifiedKey, Error> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.map_err(|error| Error::bad(certificate, error))?;
        if chain.is_empty() {
            return Err(Error::bad(certificate, "has no certificate in PEM"));
        }
        let private =
            PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| Error::bad(key, error))?;
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Error::bad(
                key,
                format!("is not the key of the certificate in {}", certificate.display()),
            ),
            other => Error::bad(key, other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a new certificate and its key; gives the certificate.
    fn write(folder: &Path) -> Vec<u8> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
        made.cert.der().to_vec()
    }

    #[test]
    fn what_changed_is_shown_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let first = write(folder.path());
        let identity = Identity::read(&certificate, &key).unwrap();
        let shown = || identity.shown.0.load().cert[0].to_vec();
        assert!(!identity.look().unwrap());
        assert_eq!(shown(), first);
        let old_key = std::fs::read(&key).unwrap();
        let second = write(folder.path());
        let new_key = std::fs::read(&key).unwrap();
        // half of it is there
        std::fs::write(&key, old_key).unwrap();
        let told = identity.look().unwrap_err().to_string();
        assert!(told.contains("is not the key of the certificate in"), "{told}");
        assert_eq!(shown(), first);
        // said once
        assert!(!identity.look().unwrap());
        std::fs::write(&key, new_key).unwrap();
        assert!(identity.look().unwrap());
        assert_eq!(shown(), second);
        std::fs::remove_file(&key).unwrap();
        assert!(identity.look().unwrap_err().to_string().contains("tls.key"));
        assert_eq!(shown(), second);
    }

    #[test]
    fn what_can_not_be_used_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let refused = || Identity::read(&certificate, &key).unwrap_err().to_string();
        assert!(refused().contains("tls.crt"), "{}", refused());
        write(folder.path());
        std::fs::write(&key, "no key").unwrap();
        assert!(refused().contains("tls.key"), "{}", refused());
        std::fs::write(&certificate, "").unwrap();
        assert!(refused().contains("tls.crt: has no certificate in PEM"), "{}", refused());
    }
}
