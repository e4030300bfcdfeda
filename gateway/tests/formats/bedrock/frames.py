"""Writes frames of event streams, as botocore reads them: frames.json and the bedrock.*.raw beside it.

    pip install botocore && python frames.py
"""

import json
import pathlib
import struct
import zlib

import botocore.loaders
import botocore.model
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser

HERE = pathlib.Path(__file__).parent
SERVICE = botocore.model.ServiceModel(
    botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
)
SHAPE = SERVICE.operation_model("ConverseStream").get_event_stream_output()


def frame(headers, payload):
    packed = b""
    for name, value in headers.items():
        packed += bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", len(packed) + len(payload) + 16, len(packed))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + packed + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event(name, body):
    payload = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return frame({":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload)


def exception(name, body):
    payload = json.dumps(body, separators=(",", ":")).encode()
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, payload)


def start():
    return event("messageStart", {"role": "assistant", "p": "abcdef"})


def more(delta, block=0):
    return event("contentBlockDelta", {"contentBlockIndex": block, "delta": delta, "p": "abc"})


def call(name, ident, block, **kind):
    tool = {"toolUseId": ident, "name": name, **kind}
    return event("contentBlockStart", {"contentBlockIndex": block, "start": {"toolUse": tool}})


def stop(block=0):
    return event("contentBlockStop", {"contentBlockIndex": block})


def ended(reason):
    return event("messageStop", {"stopReason": reason})


def usage(inputs, outputs, **cached):
    tokens = {"inputTokens": inputs, "outputTokens": outputs, "totalTokens": inputs + outputs, **cached}
    return event("metadata", {"usage": tokens, "metrics": {"latencyMs": 321}})


STREAMS = {
    "text": [
        start(), more({"text": "Hé"}), more({"text": "llo"}), stop(), ended("end_turn"),
        usage(11, 4, serverToolUsage={}),
    ],
    "tools": [
        start(), more({"text": "I look."}), stop(),
        call("weather", "tooluse_a1", 1), more({"toolUse": {"input": ""}}, 1),
        more({"toolUse": {"input": '{"city":"Ri'}}, 1), more({"toolUse": {"input": 'ga"}'}}, 1), stop(1),
        call("clock", "tooluse_b2", 2), more({"toolUse": {"input": ""}}, 2), stop(2),
        ended("tool_use"), usage(50, 30),
    ],
    "reasoning": [
        start(), more({"reasoningContent": {"text": "Let me"}}), more({"reasoningContent": {"text": " see."}}),
        more({"reasoningContent": {"signature": "c2lnbmVk"}}), stop(),
        more({"reasoningContent": {"redactedContent": "c2VhbGVk"}}, 1), stop(1),
        more({"text": "42"}, 2), stop(2), ended("stop_sequence"), usage(9, 20),
    ],
    "cached": [
        start(), more({"text": "ok"}), stop(), ended("max_tokens"),
        usage(
            5, 1, cacheReadInputTokens=100, cacheWriteInputTokens=70,
            cacheDetails=[{"ttl": "1h", "inputTokens": 50}, {"ttl": "5m", "inputTokens": 20}],
        ),
    ],
    "cited": [
        start(), more({"text": "Riga"}),
        more({"citation": {"title": "Atlas", "location": {"web": {"url": "https://example.org/riga"}}}}),
        more({"citation": {"title": "paper", "location": {"documentPage": {"documentIndex": 0, "start": 1}}}}),
        stop(), ended("guardrail_intervened"), usage(3, 2),
    ],
    "unknown_events": [
        start(), event("brandNew", {"x": 1}),
        frame({":message-type": "event", ":event-type": "contentBlockDelta", ":extra": "1"},
              b'{"contentBlockIndex":0,"delta":{"text":"a","brandNew":{}}}'),
        more({"brandNew": "x"}),
        call("nova_grounding", "tooluse_srv", 1, type="server_tool_use"),
        more({"toolUse": {"input": '{"q":1}'}}, 1), stop(1),
        stop(), ended("brand_new_reason"), usage(1, 1),
    ],
    "no_metadata": [start(), more({"text": "all"}), stop(), ended("end_turn")],
    "cut": [start(), more({"text": "half"})],
    "cut_inside": [start(), more({"text": "half"}), ended("end_turn"), usage(1, 1)[:40]],
    "throttled": [start(), more({"text": "so "}), exception("throttlingException", {"message": "Too many tokens"})],
    "model_failed": [
        start(),
        exception("modelStreamErrorException", {"message": "x", "originalStatusCode": 503, "originalMessage": "busy"}),
    ],
    "invalid": [exception("validationException", {"message": "bad"})],
    "unavailable": [start(), exception("serviceUnavailableException", {"message": "later"})],
    "internal": [start(), exception("internalServerException", {"message": "oops"})],
    "timeout": [start(), exception("modelTimeoutException", {"message": "slow"})],
    "unmodeled": [
        start(),
        frame({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "An error"}, b""),
    ],
    "malformed_tool": [start(), more({"text": "x"}), stop(), ended("malformed_tool_use"), usage(1, 1)],
    "damaged": [start(), more({"text": "good"}), more({"text": "gone"})[:-1] + b"\x00", ended("end_turn")],
    "damaged_length": [start(), b"\x7f" + more({"text": "gone"})[1:]],
    "behind_the_end": [start(), more({"text": "ok"}), stop(), ended("end_turn"), usage(2, 1), b"noise"],
}


def main():
    rows = []
    for name, frames in STREAMS.items():
        (HERE / f"bedrock.{name}.raw").write_bytes(b"".join(frames))
        if name == "behind_the_end":
            (HERE / f"bedrock.{name}.shown").write_bytes(b"".join(frames[:-1]))
        for raw in frames:
            row = {"hex": raw.hex()}
            try:
                buffer = EventStreamBuffer()
                buffer.add_data(raw)
                message = next(buffer)
                row |= {"headers": message.headers, "payload": message.payload.decode()}
                # what botocore makes of it must not fail either
                EventStreamJSONParser().parse(message.to_response_dict(), SHAPE)
            except StopIteration:
                row["cut"] = True
            except Exception as error:
                if "headers" not in row:
                    row["damaged"] = type(error).__name__
            if row not in rows:
                rows.append(row)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (HERE / "frames.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


main()
