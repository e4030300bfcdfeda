//! Reading a request body within its bounds.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use http_body_util::BodyExt as _;

use crate::dialects::Takes;
use crate::error::{Error, Kind};

/// The largest first allocation: a caller's word for the length is not trusted beyond it.
const FIRST: usize = 64 << 10;

/// Reads the whole body.
///
/// # Errors
/// Too large, too slow, broken off, or not said to be what is taken.
pub async fn read(
    headers: &HeaderMap,
    takes: Takes,
    body: Body,
    limit: usize,
    time: Duration,
) -> Result<Bytes, Error> {
    require(headers, takes)?;
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length: Option<usize> = length.and_then(|text| text.parse().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    match tokio::time::timeout(time, collect(body, limit, length)).await {
        Ok(read) => read,
        Err(_) => Err(Error::new(
            Kind::BodyTimeout,
            format!("the request body took longer than {} s to arrive", time.as_secs_f32()),
        )),
    }
}

async fn collect(mut body: Body, limit: usize, length: Option<usize>) -> Result<Bytes, Error> {
    let broken = |_| Error::new(Kind::MalformedBody, "the request body broke off");
    let mut whole: Option<BytesMut> = None;
    let mut first: Option<Bytes> = None;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        let so_far = whole.as_ref().map_or(0, BytesMut::len) + first.as_ref().map_or(0, Bytes::len);
        if data.len() > limit - so_far {
            return Err(too_large(limit));
        }
        match (whole.as_mut(), first.take()) {
            // most bodies come in one piece and are not copied
            (None, None) => first = Some(data),
            (None, Some(before)) => {
                let mut buffer = BytesMut::with_capacity(length.unwrap_or(0).clamp(8 << 10, FIRST));
                buffer.extend_from_slice(&before);
                buffer.extend_from_slice(&data);
                whole = Some(buffer);
            }
            (Some(buffer), _) => buffer.extend_from_slice(&data),
        }
    }
    Ok(whole.map(BytesMut::freeze).or(first).unwrap_or_default())
}

fn too_large(limit: usize) -> Error {
    Error::new(Kind::BodyTooLarge, format!("the request body is larger than {limit} bytes"))
}

/// A body without a content type is taken for JSON, as many small clients send none; a form has one, as it says its
/// boundary there.
fn require(headers: &HeaderMap, takes: Takes) -> Result<(), Error> {
    if let Some(encoding) =
        headers.get(header::CONTENT_ENCODING).filter(|value| *value != "identity")
    {
        let name: String = encoding.to_str().unwrap_or("?").chars().take(40).collect();
        return Err(Error::new(
            Kind::ContentType,
            format!("content-encoding {name:?} is not supported; send the body uncompressed"),
        ));
    }
    let text = headers.get(header::CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let essence = text.map(|text| text.split(';').next().unwrap_or(text).trim());
    let (known, wanted): (&[&str], _) = match takes {
        Takes::Json => (&["application/json"], "application/json"),
        Takes::Forms => (&["multipart/form-data"], "multipart/form-data"),
        Takes::Both => (
            &["application/json", "multipart/form-data"],
            "application/json or multipart/form-data",
        ),
    };
    let fits = match essence {
        Some(essence) => known.iter().any(|known| essence.eq_ignore_ascii_case(known)),
        None => takes != Takes::Forms,
    };
    if fits {
        return Ok(());
    }
    let name: String = essence.unwrap_or_default().chars().take(60).collect();
    Err(Error::new(
        Kind::ContentType,
        format!("content-type {name:?} is not supported; send {wanted}"),
    ))
}
