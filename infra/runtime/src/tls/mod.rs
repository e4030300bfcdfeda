//! TLS: whom we trust when we are the client (the authorities of this machine, and the operator's own), and who we
//! are when we are the server.

mod own;
mod server;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

pub use own::own;
pub use server::Identity;

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is not good: of authorities, of a certificate or its key.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The library refuses.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
}

impl Error {
    fn bad(path: &Path, why: impl ToString) -> Self {
        Self::File { path: path.to_owned(), why: why.to_string() }
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// How a client speaks TLS. `own` is a file of more authorities, in PEM.
///
/// # Errors
/// The file is not one.
pub fn client(own: Option<&Path>) -> Result<ClientConfig, Error> {
    Ok(ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(own)?)
        .with_no_client_auth())
}

/// The authorities of this machine, or Mozilla's where it has none, and the operator's own.
fn roots(own: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a certificate authority of this machine can't be read");
    }
    let (_, refused) = roots.add_parsable_certificates(native.certs);
    if refused > 0 {
        tracing::debug!(refused, "certificate authorities of this machine that are not understood");
    }
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let Some(path) = own {
        let read = CertificateDer::pem_file_iter(path).map_err(|error| Error::bad(path, error))?;
        let mut found = 0;
        for certificate in read {
            let certificate = certificate.map_err(|error| Error::bad(path, error))?;
            roots.add(certificate).map_err(|error| Error::bad(path, error))?;
            found += 1;
        }
        if found == 0 {
            return Err(Error::bad(path, "has no certificate in PEM"));
        }
    }
    Ok(roots)
}
