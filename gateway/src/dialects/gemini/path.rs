//! The model and the method, which Google's clients say in the path.

use http::Uri;

use crate::error::{Error, Kind};

/// What is asked of the model.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Method {
    /// A whole answer.
    Generate,
    /// An answer in parts: as events, or as one array.
    Stream {
        /// As events.
        events: bool,
    },
    /// One vector.
    Embed,
    /// Several vectors.
    BatchEmbed,
    /// The tokens of what would be asked.
    Count,
}

/// Model and method of `/v1beta/models/{model}:{method}`. The model may hold slashes and colons.
///
/// # Errors
/// Names what is wrong.
pub(super) fn read(uri: &Uri) -> Result<(String, Method), Error> {
    let path = unescaped(uri.path()).ok_or_else(|| {
        Error::new(Kind::InvalidField, "the path must be UTF-8, escaped by %").at("model")
    })?;
    let call = path.split_once("/models/").map_or("", |(_, call)| call);
    let (model, method) = call.rsplit_once(':').ok_or_else(|| unknown(""))?;
    let method = match method {
        "generateContent" => Method::Generate,
        "streamGenerateContent" => Method::Stream { events: events(uri)? },
        "embedContent" => Method::Embed,
        "batchEmbedContents" => Method::BatchEmbed,
        "countTokens" => Method::Count,
        other => return Err(unknown(other)),
    };
    Ok((model.to_owned(), method))
}

/// There is no such method.
pub(super) fn unknown(method: &str) -> Error {
    let name: String = method.chars().take(60).collect();
    let message = format!(
        "there is no method {name:?} here; models have generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents"
    );
    Error::new(Kind::UnknownRoute, message).at("method")
}

/// Whether a stream is wanted as events: `alt=sse`.
fn events(uri: &Uri) -> Result<bool, Error> {
    let pairs = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let mut alt = pairs.filter(|(name, _)| name == "alt" || name == "$alt");
    match alt.next().map(|(_, value)| value.into_owned()).as_deref() {
        Some("sse") => Ok(true),
        None => Ok(false),
        Some(json) if json == "json" || json.starts_with("json;") => Ok(false),
        Some(_) => Err(Error::new(Kind::InvalidField, "alt must be sse or json").at("alt")),
    }
}

fn unescaped(path: &str) -> Option<String> {
    let mut out = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_behind_the_last_colon() {
        for (path, wanted) in [
            ("/v1beta/models/m:generateContent", Some(("m", Method::Generate))),
            ("/v1/models/m:embedContent?key=x", Some(("m", Method::Embed))),
            (
                "/v1beta/models/openrouter/a/b:free:streamGenerateContent?alt=sse",
                Some(("openrouter/a/b:free", Method::Stream { events: true })),
            ),
            (
                "/v1beta/models/a%2Fb%3Ac%3AstreamGenerateContent",
                Some(("a/b:c", Method::Stream { events: false })),
            ),
            (
                "/v1beta/models/m:streamGenerateContent?$alt=json;enum-encoding=int",
                Some(("m", Method::Stream { events: false })),
            ),
            ("/v1beta/models/models/m:generateContent", Some(("models/m", Method::Generate))),
            ("/v1beta/models/m:countTokens", Some(("m", Method::Count))),
            ("/v1beta/models/m:computeTokens", None),
            ("/v1beta/models/m", None),
            ("/v1beta/models/m:streamGenerateContent?alt=proto", None),
            ("/v1beta/models/%ff:generateContent", None),
            ("/v1beta/models/%zz:generateContent", None),
        ] {
            let read = read(&path.parse().unwrap()).ok();
            let read = read.as_ref().map(|(model, method)| (model.as_str(), *method));
            assert_eq!(read, wanted, "{path}");
        }
    }
}
