//! An OpenID provider, by discovery: where people are sent, and what it says of who comes back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gateway::config::UpstreamConfig;
use gateway::upstream::beside;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreProviderMetadata, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AsyncHttpClient, AuthorizationCode, ClaimsVerificationError, ClientId,
    ClientSecret, CsrfToken, HttpRequest, HttpResponse, IssuerUrl, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, SignatureVerificationError,
    TokenResponse as _,
};
use runtime::secret::Secret;
use tokio::sync::Mutex;
use url::Url;

/// The longest time for one answer of the provider.
const TIME: Duration = Duration::from_secs(10);
/// The largest answer.
const MAX: usize = 1 << 20;
/// What was discovered is used for so long …
const LIFE: Duration = Duration::from_secs(60 * 60);
/// … or until a token is signed with a key that is not known, but asked for no more often than this.
const PAUSE: Duration = Duration::from_secs(10);
/// So long nobody else is made to wait for a provider that did not answer.
const AWAY: Duration = Duration::from_secs(2);

/// A provider, as it is set.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// What it calls itself, to the letter; below it, `.well-known/openid-configuration` tells the rest.
    pub issuer: String,
    /// As what it knows the hub.
    pub client_id: String,
    /// How the hub shows that it is that; public clients have none.
    pub client_secret: Option<Secret>,
    /// For people, on the button.
    pub name: String,
}

/// Why a provider can't be used as it is set.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Its address.
    #[error("signin.oidc.issuer: {0}")]
    Issuer(String),
    /// How it is reached.
    #[error("signin.oidc: {0}")]
    Client(String),
}

/// Why the provider did not say who somebody is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It can't be reached, or is no OpenID provider.
    #[error("the identity provider {issuer} can't be used now: {why}")]
    Away { issuer: String, why: String },
    /// It does not vouch for whom it sent.
    #[error("the identity provider's answer is not taken: {0}")]
    Answer(String),
}

/// What ties the way out to the way back; all but the state itself stays here.
#[derive(Debug)]
pub(super) struct Ties {
    pub(super) state: String,
    pub(super) nonce: String,
    /// Of PKCE (RFC 7636): 43 characters.
    pub(super) verifier: String,
    pub(super) redirect: Url,
}

/// Who somebody is, by the provider's word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Person {
    pub(super) email: Option<String>,
    pub(super) verified: bool,
}

/// What came of asking the provider, and when.
#[derive(Debug)]
struct Known {
    metadata: Result<Arc<CoreProviderMetadata>, String>,
    at: Instant,
}

#[derive(Debug)]
pub(super) struct Provider {
    oidc: Oidc,
    issuer: IssuerUrl,
    client: Http,
    known: Mutex<Option<Known>>,
}

impl Provider {
    pub(super) fn new(oidc: Oidc, upstream: &UpstreamConfig) -> Result<Self, Unusable> {
        let issuer = IssuerUrl::new(oidc.issuer.clone());
        let issuer = issuer.map_err(|error| Unusable::Issuer(error.to_string()))?;
        // redirects are not followed
        let client = beside(upstream, TIME).map_err(|error| Unusable::Client(error.to_string()))?;
        Ok(Self { oidc, issuer, client: Http(client), known: Mutex::default() })
    }

    pub(super) fn name(&self) -> &str {
        &self.oidc.name
    }

    /// What the provider tells of itself; asked for again when it is older than `life`. Of many who want
    /// it at once, one asks.
    async fn metadata(&self, life: Duration) -> Result<Arc<CoreProviderMetadata>, Error> {
        let away = |why: &String| Error::Away { issuer: self.issuer.to_string(), why: why.clone() };
        let mut known = self.known.lock().await;
        let fresh = known
            .as_ref()
            .filter(|known| known.at.elapsed() < if known.metadata.is_ok() { life } else { AWAY });
        if let Some(known) = fresh {
            return known.metadata.clone().map_err(|why| away(&why));
        }
        let found = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.client).await;
        let metadata = found.map(Arc::new).map_err(|error| chain(&error));
        let told = metadata.clone().map_err(|why| away(&why));
        *known = Some(Known { metadata, at: Instant::now() });
        told
    }

    fn credentials(&self) -> (ClientId, Option<ClientSecret>) {
        let secret = self.oidc.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose().to_owned()));
        (ClientId::new(self.oidc.client_id.clone()), secret)
    }

    /// Where somebody is sent to say who they are.
    pub(super) async fn begin(&self, ties: &Ties) -> Result<Url, Error> {
        let metadata = self.metadata(LIFE).await?;
        let (id, secret) = self.credentials();
        let client = CoreClient::from_provider_metadata((*metadata).clone(), id, secret)
            .set_redirect_uri(RedirectUrl::from_url(ties.redirect.clone()));
        let verifier = PkceCodeVerifier::new(ties.verifier.clone());
        let (state, nonce) = (ties.state.clone(), ties.nonce.clone());
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let (url, ..) = client
            .authorize_url(flow, || CsrfToken::new(state), || Nonce::new(nonce))
            .add_scope(Scope::new("email".into()))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        Ok(url)
    }

    /// Who came back with this code.
    pub(super) async fn finish(&self, code: String, ties: &Ties) -> Result<Person, Error> {
        let answer = |error: &(dyn std::error::Error + 'static)| Error::Answer(chain(error));
        let metadata = self.metadata(LIFE).await?;
        let (id, secret) = self.credentials();
        let client = CoreClient::from_provider_metadata((*metadata).clone(), id, secret)
            .set_redirect_uri(RedirectUrl::from_url(ties.redirect.clone()));
        let tokens = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| answer(&error))?
            .set_pkce_verifier(PkceCodeVerifier::new(ties.verifier.clone()))
            .request_async(&self.client)
            .await
            .map_err(|error| answer(&error))?;
        let none = || Error::Answer("it holds no ID token".into());
        let id_token = tokens.id_token().ok_or_else(none)?;
        let nonce = Nonce::new(ties.nonce.clone());
        let mut client = client;
        let strange = matches!(
            id_token.claims(&client.id_token_verifier(), &nonce),
            Err(ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey
            ))
        );
        if strange {
            // it may sign with a new one
            let metadata = self.metadata(PAUSE).await?;
            let (id, secret) = self.credentials();
            client = CoreClient::from_provider_metadata((*metadata).clone(), id, secret)
                .set_redirect_uri(RedirectUrl::from_url(ties.redirect.clone()));
        }
        let verifier = client.id_token_verifier();
        let claims: &CoreIdTokenClaims =
            id_token.claims(&verifier, &nonce).map_err(|error| answer(&error))?;
        if let Some(expected) = claims.access_token_hash() {
            let algorithm = id_token.signing_alg().map_err(|error| answer(&error))?;
            let key = id_token.signing_key(&verifier).map_err(|error| answer(&error))?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if actual.map_err(|error| answer(&error))? != *expected {
                return Err(Error::Answer("its access token is that of another answer".into()));
            }
        }
        if let Some(email) = claims.email() {
            let verified = claims.email_verified() == Some(true);
            return Ok(Person { email: Some(email.to_string()), verified });
        }
        // many tell no more than the subject there, and the rest when they are asked
        let subject = claims.subject().clone();
        let Ok(asked) = client.user_info(tokens.access_token().clone(), Some(subject)) else {
            return Ok(Person { email: None, verified: false });
        };
        let told: CoreUserInfoClaims =
            asked.request_async(&self.client).await.map_err(|error| answer(&error))?;
        let email = told.email().map(|email| email.to_string());
        Ok(Person { email, verified: told.email_verified() == Some(true) })
    }
}

/// Why a request came to nothing.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error("no answer: {}", chain(.0))]
    Http(reqwest::Error),
    #[error("the answer is longer than {MAX} bytes")]
    Long,
}

/// Sends what the library asks to be sent.
#[derive(Debug)]
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Lost>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(send(&self.0, request))
    }
}

/// Sends a request, and reads an answer within its bound.
async fn send(client: &reqwest::Client, request: HttpRequest) -> Result<HttpResponse, Lost> {
    let (head, body) = request.into_parts();
    let asked = client.request(head.method, head.uri.to_string()).headers(head.headers).body(body);
    let mut answered = asked.send().await.map_err(|error| Lost::Http(error.without_url()))?;
    let mut bytes = Vec::new();
    while let Some(chunk) =
        answered.chunk().await.map_err(|error| Lost::Http(error.without_url()))?
    {
        if bytes.len() + chunk.len() > MAX {
            return Err(Lost::Long);
        }
        bytes.extend_from_slice(&chunk);
    }
    let mut response = HttpResponse::new(bytes);
    *response.status_mut() = answered.status();
    *response.headers_mut() = std::mem::take(answered.headers_mut());
    Ok(response)
}

/// An error with what caused it.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let told = cause.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        next = cause.source();
    }
    text
}
