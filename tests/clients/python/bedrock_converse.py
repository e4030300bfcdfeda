"""AWS's Python SDK, Converse and ConverseStream."""

import base64
import json
import os

import boto3
from botocore.config import Config
from harness import meaning, run


def messages(case):
    content = [{"text": case["prompt"]}]
    if "image" in case:
        content.append({"image": {"format": "png", "source": {"bytes": base64.b64decode(case["image"])}}})
    found = [{"role": "user", "content": content}]
    if results := case.get("results"):
        uses = [{"toolUse": {"toolUseId": r["id"], "name": r["name"], "input": r["arguments"]}} for r in results]
        given = [{"toolResult": {"toolUseId": r["id"], "content": [{"text": r["result"]}], "status": "success"}} for r in results]
        found += [{"role": "assistant", "content": uses}, {"role": "user", "content": given}]
    return found


def arguments(item):
    case = item["case"]
    args = {"modelId": item["model"], "messages": messages(case)}
    if "system" in case:
        args["system"] = [{"text": case["system"]}]
    names = {"max": "maxTokens", "temperature": "temperature", "stop": "stopSequences"}
    if inference := {names[name]: case[name] for name in names if name in case}:
        args["inferenceConfig"] = inference
    if case.get("tools"):
        specs = [
            {"toolSpec": {"name": t["name"], "description": t["description"], "inputSchema": {"json": t["parameters"]}}}
            for t in item["tools"]
        ]
        args["toolConfig"] = {"tools": specs}
    if "choice" in case:
        args["toolConfig"]["toolChoice"] = {"tool": {"name": case["choice"]}}
    if "effort" in case:
        args["additionalModelRequestFields"] = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
    if "schema" in case:
        schema = {"name": "answer", "schema": json.dumps(case["schema"])}
        args["outputConfig"] = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}
    return args


def gathered(events):
    """The whole answer that the events of a stream tell."""
    blocks, finish, usage = {}, None, {}
    for event in events:
        if start := event.get("contentBlockStart"):
            use = start["start"].get("toolUse")
            blocks[start["contentBlockIndex"]] = {"toolUse": {**use, "input": ""}} if use else {"text": ""}
        if change := event.get("contentBlockDelta"):
            block = blocks.setdefault(change["contentBlockIndex"], {"text": ""})
            delta = change["delta"]
            if "text" in delta:
                block["text"] += delta["text"]
            if text := delta.get("reasoningContent", {}).get("text"):
                reasoning = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
                reasoning["reasoningText"]["text"] += text
            if "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
        finish = event.get("messageStop", {}).get("stopReason", finish)
        usage = event.get("metadata", {}).get("usage", usage)
    return list(blocks.values()), finish, usage


def call(item):
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = item["key"]
    config = Config(retries={"total_max_attempts": 1})
    client = boto3.client("bedrock-runtime", region_name="us-east-1", endpoint_url=item["origin"], config=config)
    args = arguments(item)
    if item["case"].get("stream"):
        events = list(client.converse_stream(**args)["stream"])
        content, finish, usage = gathered(events)
        result = {"events": events}
    else:
        answer = client.converse(**args)
        if outcomes := item["case"].get("loop"):
            said = answer["output"]["message"]
            uses = [block["toolUse"] for block in said["content"] if "toolUse" in block]
            given = [{"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": outcomes[use["name"]]}]}} for use in uses]
            args["messages"] += [said, {"role": "user", "content": given}]
            answer = client.converse(**args)
        answer.pop("ResponseMetadata")
        content, finish, usage = answer["output"]["message"]["content"], answer["stopReason"], answer["usage"]
        result = answer
    text = "".join(block.get("text", "") for block in content)
    thought = "".join(block["reasoningContent"]["reasoningText"]["text"] for block in content if "reasoningContent" in block)
    uses = [block["toolUse"] for block in content if "toolUse" in block]
    tools = [(use["toolUseId"], use["name"], use["input"]) for use in uses]
    data = text if "schema" in item["case"] else None
    return result, meaning(text, tools, finish, (usage.get("inputTokens"), usage.get("outputTokens")), data, thought)


def status(error):
    return (getattr(error, "response", None) or {}).get("ResponseMetadata", {}).get("HTTPStatusCode")


run(call, status, str)
