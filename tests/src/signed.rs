//! Requests signed as AWS's clients sign them, by AWS's own library.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use runtime::clock::Clock;

/// An access key id and its secret.
#[derive(Clone, Copy, Debug)]
pub struct Signer<'a> {
    /// The id.
    pub id: &'a str,
    /// The secret.
    pub secret: &'a str,
}

impl Signer<'_> {
    /// The headers of a `POST` of a JSON body to the path of the host, host and length left out, signed now.
    ///
    /// # Errors
    /// There is no such request.
    pub fn headers(
        &self,
        host: &str,
        path: &str,
        body: &[u8],
    ) -> anyhow::Result<Vec<(String, String)>> {
        let now = Duration::from_micros(u64::try_from(Clock::system().now().0)?);
        let identity = Credentials::new(self.id, self.secret, None, None, "e2e").into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("bedrock")
            .time(UNIX_EPOCH + now)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let json = ("content-type", "application/json");
        let address = format!("http://{host}{path}");
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new("POST", address, [json].into_iter(), body)?;
        let (made, _) = sign(request, &params)?.into_parts();
        let made = made.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(made.chain([(json.0.to_owned(), json.1.to_owned())]).collect())
    }
}
