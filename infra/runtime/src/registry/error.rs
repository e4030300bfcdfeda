//! What can be wrong with a registry.

use std::io;
use std::path::PathBuf;

/// Why there are no schema ids.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not answer, or asks to come again: wait for it.
    #[error("the schema registry {url} is away: {why}")]
    Away {
        /// Its address.
        url: String,
        /// What was seen.
        why: String,
    },
    /// The address is none.
    #[error("registry.url = {found:?} must be {wanted}")]
    Url {
        /// As given; without what may be secret.
        found: String,
        /// What would be right.
        wanted: &'static str,
    },
    /// The certificate authorities can't be read.
    #[error("registry.ca {}: {why}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// There can be no HTTP client.
    #[error("no client for the schema registry: {0}")]
    Client(String),
    /// It wants another user or password, or this user may not do what is needed.
    #[error(
        "the schema registry {url} does not let the hub do {request} ({says}); registry.user and \
         registry.password must be of a user who may"
    )]
    Login {
        /// Its address.
        url: String,
        /// What was asked.
        request: String,
        /// What it said.
        says: String,
    },
    /// Something else answers there.
    #[error(
        "{url} does not answer {request} as a schema registry does ({says}); registry.url must be \
         the address of Confluent's API, such as http://127.0.0.1:8081, or \
         http://127.0.0.1:8080/apis/ccompat/v7 of an Apicurio"
    )]
    Strange {
        /// The address.
        url: String,
        /// What was asked.
        request: String,
        /// What it said.
        says: String,
    },
    /// It refuses what was asked.
    #[error("the schema registry {url} refuses {request} ({says})")]
    Refused {
        /// Its address.
        url: String,
        /// What was asked.
        request: String,
        /// Status of the answer.
        status: u16,
        /// What it said.
        says: String,
    },
    /// A schema of this build does not go together with what is registered.
    #[error(
        "the schema registry {url} has other versions under the subject {subject}, which this \
         hub's schema is not compatible with ({says}); run a hub whose schemas are, or give this \
         one a registry or a prefix of its own"
    )]
    Incompatible {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// What it said.
        says: String,
    },
    /// A subject is under a weaker mode, and it can't be raised.
    #[error(
        "the subject {subject} of the schema registry {url} has compatibility {found} and must \
         have FULL_TRANSITIVE or FULL; the hub may not set it ({says})"
    )]
    Mode {
        /// Its address.
        url: String,
        /// The subject.
        subject: String,
        /// Its mode.
        found: String,
        /// What the registry said.
        says: String,
    },
    /// The registry gives other ids than before.
    #[error(
        "the schema registry {url} gives {record} the id {found}, but it had {kept} when events of \
         this data folder were written ({}): it is another registry, or was made anew; name the \
         right one as registry.url, or begin with new topics and a new data folder",
        cache.display()
    )]
    OtherIds {
        /// Its address.
        url: String,
        /// Full name of the record.
        record: &'static str,
        /// The id that is kept.
        kept: u32,
        /// The id that it gives.
        found: u32,
        /// The file that keeps ids.
        cache: PathBuf,
    },
    /// The ids that it gives make no sense.
    #[error("the schema registry's ids can't be used: {0}")]
    Ids(#[from] schemas::wire::Error),
    /// The file that keeps ids can't be read or written.
    #[error("the file of schema ids {}: {source}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Whether waiting may help.
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Away { .. })
    }
}
