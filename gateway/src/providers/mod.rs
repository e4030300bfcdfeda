//! Pure translators between a call and what providers say. No I/O, no clock.

use std::time::Duration;

use schemas::ids::ProviderId;

/// How long each part of an attempt may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Deadlines {
    /// Connecting, TLS included.
    pub connect: Duration,
    /// From the request to the first content byte.
    pub first_byte: Duration,
    /// Between two reads of a stream.
    pub idle: Duration,
    /// The whole attempt.
    pub total: Duration,
}

/// Where a provider is and what is special about it.
#[derive(Debug)]
pub struct Endpoint {
    /// The provider as the operator named it.
    pub id: ProviderId,
    /// Base address, such as `https://api.openai.com/v1`, without a slash at the end.
    pub base_url: url::Url,
    /// How long each part of an attempt may take.
    pub deadlines: Deadlines,
}
