//! What librdkafka has and its Rust client has not: where a partition ended when its reader met
//! the end, and the ids of topics.
#![expect(
    unsafe_code,
    reason = "librdkafka is a C library; every direct call into it is in this file"
)]

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::bindings as rd;
use rdkafka::client::Client;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::types::RDKafkaRespErr;

use super::context::Context;
use crate::clock::Micros;
use crate::log::{Offset, Record};

/// What comes out of a consumer's queue.
pub(super) enum Event {
    /// The next record.
    Record(Record),
    /// Everything up to before this offset was given; nothing that is committed follows yet.
    End(Offset),
    /// Something went wrong.
    Failed(Code, String),
    /// Something that needs no answer.
    Other,
}

/// The queue of a consumer that is assigned one partition.
pub(super) struct Queue {
    queue: NonNull<rd::rd_kafka_queue_t>,
    consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's queues may be used from any thread; the pointer is freed once, in drop.
unsafe impl Send for Queue {}
// SAFETY: as above; polling a queue takes its own lock.
unsafe impl Sync for Queue {}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: we own this reference; the client it belongs to lives until `consumer` is dropped.
        unsafe { rd::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

impl Queue {
    /// The consumer's queue; none when it has no group.
    pub(super) fn of(consumer: Arc<BaseConsumer<Context>>) -> Option<Self> {
        // SAFETY: the client is alive; the result is a new reference, or null.
        let queue = unsafe { rd::rd_kafka_queue_get_consumer(consumer.client().native_ptr()) };
        NonNull::new(queue).map(|queue| Self { queue, consumer })
    }

    /// What is there, without waiting.
    pub(super) fn next(&self) -> Option<Event> {
        // SAFETY: the queue is alive.
        let event = unsafe { rd::rd_kafka_queue_poll(self.queue.as_ptr(), 0) };
        let event = EventHandle(NonNull::new(event)?);
        // SAFETY: the event is alive until the end of this function.
        let kind = unsafe { rd::rd_kafka_event_type(event.0.as_ptr()) };
        Some(match kind {
            rd::RD_KAFKA_EVENT_FETCH => event.record().map_or(Event::Other, Event::Record),
            rd::RD_KAFKA_EVENT_ERROR => event.error(),
            _ => Event::Other,
        })
    }

    /// The end of the partition as the last fetch saw it: committed or not.
    pub(super) fn last_end(&self, topic: &CStr, partition: i32) -> Option<Offset> {
        let (mut low, mut high) = (-1, -1);
        let client = self.consumer.client().native_ptr();
        // SAFETY: the client is alive, the name ends in zero, and both numbers outlive the call.
        let code = unsafe {
            rd::rd_kafka_get_watermark_offsets(
                client,
                topic.as_ptr(),
                partition,
                &mut low,
                &mut high,
            )
        };
        let known = code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
        if known { u64::try_from(high).ok() } else { None }
    }
}

/// An event, given back when dropped.
struct EventHandle(NonNull<rd::rd_kafka_event_t>);

impl Drop for EventHandle {
    fn drop(&mut self) {
        // SAFETY: we own the event, and what was taken from it was copied.
        unsafe { rd::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}

impl EventHandle {
    fn record(&self) -> Option<Record> {
        // SAFETY: the message belongs to the event and lives as long; it may be null.
        let message = unsafe { rd::rd_kafka_event_message_next(self.0.as_ptr()).as_ref() }?;
        let mut kind = rd::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive.
        let millis = unsafe { rd::rd_kafka_message_timestamp(message, &mut kind) };
        Some(Record {
            offset: u64::try_from(message.offset).ok()?,
            at: Micros(millis.saturating_mul(1000)),
            // SAFETY: pointer and length of the message's own buffers, copied here.
            key: unsafe { bytes(message.key, message.key_len) }.unwrap_or_default(),
            // SAFETY: likewise.
            value: unsafe { bytes(message.payload, message.len) },
            headers: headers(message),
        })
    }

    fn error(&self) -> Event {
        let event = self.0.as_ptr();
        // SAFETY: the event is alive; the text belongs to it and is copied.
        let (code, text) = unsafe {
            (rd::rd_kafka_event_error(event), text(rd::rd_kafka_event_error_string(event)))
        };
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF {
            return Event::Failed(code.into(), text);
        }
        // SAFETY: the event is alive; the result is ours to destroy, or null.
        let place = unsafe { rd::rd_kafka_event_topic_partition(event) };
        let Some(place) = NonNull::new(place) else {
            return Event::Other;
        };
        // SAFETY: not null, and read before it is destroyed.
        let offset = unsafe {
            let offset = place.as_ref().offset;
            rd::rd_kafka_topic_partition_destroy(place.as_ptr());
            offset
        };
        u64::try_from(offset).map_or(Event::Other, Event::End)
    }
}

fn headers(message: &rd::rd_kafka_message_t) -> Vec<(String, Bytes)> {
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive; the list stays its own.
    let code = unsafe { rd::rd_kafka_message_headers(message, &mut list) };
    if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
        return Vec::new();
    }
    let one = |at| {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list is alive; what it points to is copied below.
        let code =
            unsafe { rd::rd_kafka_header_get_all(list, at, &mut name, &mut value, &mut size) };
        // SAFETY: name ends in zero; value has `size` bytes or is null.
        (code == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR)
            .then(|| unsafe { (text(name), bytes(value, size).unwrap_or_default()) })
    };
    (0..).map_while(one).collect()
}

/// A copy of a C buffer; `None` for null.
///
/// # Safety
/// `from` is null or has `size` readable bytes.
unsafe fn bytes(from: *const c_void, size: usize) -> Option<Bytes> {
    // SAFETY: as promised by the caller.
    (!from.is_null())
        .then(|| Bytes::copy_from_slice(unsafe { slice::from_raw_parts(from.cast(), size) }))
}

/// A copy of a C string; empty for null.
///
/// # Safety
/// `from` is null or ends in zero.
unsafe fn text(from: *const c_char) -> String {
    if from.is_null() {
        return String::new();
    }
    // SAFETY: as promised by the caller.
    unsafe { CStr::from_ptr(from) }.to_string_lossy().into_owned()
}

/// The ids that the cluster gave to topics, by name; without those that are not there. Blocks up
/// to `wait`.
pub(super) fn topic_ids(
    client: &Client<Context>,
    names: &[&CStr],
    wait: Duration,
) -> Result<HashMap<String, String>, (Code, String)> {
    let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let rk = client.native_ptr();
    // SAFETY: the client is alive; names outlive the call, which copies them; each object that is
    // made here is destroyed here, the event by its handle, after what it holds was copied.
    unsafe {
        let topics =
            rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = rd::rd_kafka_AdminOptions_new(
            rk,
            rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
        );
        let mut said = [0; 256];
        rd::rd_kafka_AdminOptions_set_request_timeout(
            options,
            millis,
            said.as_mut_ptr(),
            said.len(),
        );
        let queue = rd::rd_kafka_queue_new(rk);
        rd::rd_kafka_DescribeTopics(rk, topics, options, queue);
        let event = NonNull::new(rd::rd_kafka_queue_poll(queue, millis)).map(EventHandle);
        rd::rd_kafka_AdminOptions_destroy(options);
        rd::rd_kafka_TopicCollection_destroy(topics);
        let ids = event.map_or_else(
            || Err((Code::OperationTimedOut, "no answer in time".to_owned())),
            |event| described(&event),
        );
        rd::rd_kafka_queue_destroy(queue);
        ids
    }
}

/// The ids in the answer to a description of topics.
///
/// # Safety
/// The event is the answer to `DescribeTopics`.
unsafe fn described(event: &EventHandle) -> Result<HashMap<String, String>, (Code, String)> {
    let event = event.0.as_ptr();
    // SAFETY: the event is alive, and so is all that it owns.
    unsafe {
        let code = rd::rd_kafka_event_error(event);
        if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err((code.into(), text(rd::rd_kafka_event_error_string(event))));
        }
        let mut count = 0;
        let result = rd::rd_kafka_event_DescribeTopics_result(event);
        let topics = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if topics.is_null() {
            return Ok(HashMap::new());
        }
        let one = |topic: &*const rd::rd_kafka_TopicDescription_t| {
            let error = rd::rd_kafka_TopicDescription_error(*topic);
            let well = rd::rd_kafka_error_code(error) == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;
            let name = rd::rd_kafka_TopicDescription_name(*topic);
            let id = rd::rd_kafka_TopicDescription_topic_id(*topic);
            well.then(|| (text(name), text(rd::rd_kafka_Uuid_base64str(id))))
        };
        let topics = slice::from_raw_parts(topics.cast_const().cast(), count);
        Ok(topics.iter().filter_map(one).collect())
    }
}

/// A topic's name for C.
pub(super) fn name(topic: &str) -> CString {
    CString::new(topic).unwrap_or_default()
}
