//! A stream of events, each with its type: sound, what was heard, images. Or the document of a model that has no
//! streams.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use schemas::event::{AttemptError, Operation, Quantity};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Document;
use super::usage::enter;
use crate::call::Call;
use crate::providers::openai::inside::failure_inside;
use crate::providers::{Decoder, Endpoint, Failure, Piece, PieceKind};
use crate::reply::Tally;
use crate::streaming::sse::{Event, Splitter};

/// A stream of events. It is complete when the answer ends behind the event that says so.
pub(in super::super) struct Events {
    endpoint: Arc<Endpoint>,
    operation: Operation,
    splitter: Splitter,
    /// Until the first bytes tell: what it would be if it is no stream.
    document: Option<Document>,
    begun: bool,
    complete: bool,
    done: bool,
    tally: Tally,
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

impl Events {
    pub(in super::super) fn new(call: &Call, endpoint: Arc<Endpoint>) -> Self {
        let may_be_whole = call.operation == Operation::Transcription;
        Self {
            document: may_be_whole.then(|| Document::new(call, Arc::clone(&endpoint))),
            endpoint,
            operation: call.operation,
            splitter: Splitter::default(),
            begun: false,
            complete: false,
            done: false,
            tally: Tally::default(),
        }
    }

    fn event(&mut self, event: Event, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        let data = event.data();
        let trimmed = data.trim_ascii();
        if trimmed.is_empty() {
            pieces.push(Piece::new(event.bytes, PieceKind::Preamble));
            return Ok(());
        }
        if trimmed == b"[DONE]" {
            return self.terminal(event.bytes, pieces);
        }
        let said: Said<'_> =
            serde_json::from_slice(&data).map_err(|_| Failure::of(AttemptError::Malformed))?;
        if said.error.is_some() || said.kind == "error" {
            pieces.push(Piece::new(event.bytes, PieceKind::Failed));
            return Err(failure_inside(&self.endpoint.vendor, &data));
        }
        let kind = match said.kind.rsplit('.').next() {
            Some("done" | "completed") => {
                self.complete = true;
                self.used(said.usage);
                PieceKind::Closing
            }
            Some("delta" | "segment" | "partial_image") => PieceKind::Content,
            _ => PieceKind::Preamble,
        };
        if kind != PieceKind::Preamble {
            let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
            self.tally.content_bytes = self.tally.content_bytes.saturating_add(length);
        }
        pieces.push(Piece::new(event.bytes, kind));
        Ok(())
    }

    /// Of several images each tells its own.
    fn used(&mut self, usage: Option<&RawValue>) {
        let before = std::mem::take(&mut self.tally.quantities);
        enter(self.operation, usage, None, &mut self.tally);
        for Quantity { meter, units } in before {
            match self.tally.quantities.iter_mut().find(|quantity| quantity.meter == meter) {
                Some(quantity) => quantity.units = quantity.units.saturating_add(units),
                None => self.tally.quantities.push(Quantity { meter, units }),
            }
        }
        self.tally.reported = !self.tally.quantities.is_empty();
    }

    fn terminal(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if !self.complete {
            return Err(Failure::of(AttemptError::Broken));
        }
        self.done = true;
        pieces.push(Piece::new(bytes, PieceKind::Terminal));
        Ok(())
    }

    /// Whether it is a stream, by its first bytes.
    fn begin(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        if self.begun || bytes.is_empty() {
            return;
        }
        self.begun = true;
        let marks = [&b"data:"[..], b"event:", b":"];
        // a mark may be cut by the end of the read
        if marks.iter().any(|mark| bytes.starts_with(mark) || mark.starts_with(bytes)) {
            self.document = None;
        }
    }
}

impl Decoder for Events {
    fn push(&mut self, bytes: Bytes, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        self.begin(&bytes);
        if let Some(document) = &mut self.document {
            return document.push(bytes, pieces);
        }
        self.splitter.push(bytes);
        while let Some(event) = self.splitter.event()? {
            // nothing that counts comes behind the terminator
            if !self.done {
                self.event(event, pieces)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, pieces: &mut Vec<Piece>) -> Result<(), Failure> {
        if let Some(document) = &mut self.document {
            let ended = document.end(pieces);
            self.tally = document.tally().clone();
            return ended;
        }
        if let Some(event) = self.splitter.rest().filter(|_| !self.done)
            && event.data().trim_ascii() == b"[DONE]"
        {
            self.event(event, pieces)?;
        }
        if self.done {
            return Ok(());
        }
        self.terminal(Bytes::new(), pieces)
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::dialects::Dialect;
    use crate::providers::Deadlines;
    use crate::providers::compat::shipped;

    fn endpoint() -> Arc<Endpoint> {
        let vendor = shipped().unwrap()["openai"].clone();
        let base = vendor.base_url.parse().unwrap();
        let deadlines = Deadlines::all(std::time::Duration::from_secs(1));
        Arc::new(Endpoint::new("openai".into(), vendor, base, deadlines).unwrap())
    }

    fn heard() -> Call {
        let body = "--b\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=stream\r\n\r\ntrue\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\nx\r\n--b--";
        let form = HeaderValue::from_static("multipart/form-data; boundary=b");
        let head = http::Request::post("/").header("content-type", form);
        let (head, ()) = head.body(()).unwrap().into_parts();
        Dialect::OpenAiTranscriptions.speech().parse(&head, body.into()).unwrap()
    }

    type Read = (Vec<u8>, Tally, Option<Failure>, bool);

    fn read(call: &Call, parts: &[&[u8]]) -> Read {
        let mut decoder = Events::new(call, endpoint());
        let mut pieces = Vec::new();
        let mut failed = None;
        for part in parts {
            failed = failed.or(decoder.push(Bytes::copy_from_slice(part), &mut pieces).err());
            if failed.is_some() {
                break;
            }
        }
        failed = failed.or_else(|| decoder.end(&mut pieces).err());
        let terminal = pieces.iter().any(|piece| piece.kind == PieceKind::Terminal);
        let bytes = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
        (bytes, decoder.tally().clone(), failed, terminal)
    }

    proptest! {
        #[test]
        fn any_split_decodes_the_same(
            which in 0_usize..6,
            cuts in proptest::collection::vec(0_usize..400, 0..6),
        ) {
            let stream = [
                "data: {\"type\":\"transcript.text.delta\",\"delta\":\"H\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"H\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}\n\ndata: [DONE]\n\n",
                ": hi\r\n\r\nevent: x\r\ndata: {\"type\":\"transcript.text.segment\"}\r\n\r\ndata: {\"type\":\"transcript.text.done\"}\r\n\r\n",
                "{\"text\":\"data: no\",\"usage\":{\"type\":\"duration\",\"seconds\":2}}",
                "data: {\"type\":\"transcript.text.delta\"}\n\n",
                "data: {\"type\":\"error\",\"error\":{\"message\":\"no\",\"type\":\"server_error\"}}\n\n",
                "not JSON, and JSON was asked for",
            ][which];
            let bytes = stream.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let call = heard();
            let whole = read(&call, &[bytes]);
            prop_assert_eq!(whole.3, which < 3, "{:?}", whole.2);
            prop_assert_eq!(read(&call, &parts), whole);
        }
    }
}
