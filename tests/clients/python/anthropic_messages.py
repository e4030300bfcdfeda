"""Anthropic's Python SDK."""

import anthropic
from harness import meaning, run


def messages(case):
    content = [{"type": "text", "text": case["prompt"]}]
    if "image" in case:
        content.insert(0, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": case["image"]}})
    found = [{"role": "user", "content": content}]
    if results := case.get("results"):
        uses = [{"type": "tool_use", "id": r["id"], "name": r["name"], "input": r["arguments"]} for r in results]
        given = [{"type": "tool_result", "tool_use_id": r["id"], "content": r["result"]} for r in results]
        found += [{"role": "assistant", "content": uses}, {"role": "user", "content": given}]
    return found


def arguments(item):
    case = item["case"]
    args = {"model": item["model"], "max_tokens": case.get("max", 64), "messages": messages(case)}
    if "system" in case:
        args["system"] = case["system"]
    if "stop" in case:
        args["stop_sequences"] = case["stop"]
    if "temperature" in case:
        # left out of newer signatures, still in the API
        args["extra_body"] = {"temperature": case["temperature"]}
    if case.get("tools"):
        args["tools"] = [{"name": t["name"], "description": t["description"], "input_schema": t["parameters"]} for t in item["tools"]]
    if "choice" in case:
        args["tool_choice"] = {"type": "tool", "name": case["choice"]}
    if "effort" in case:
        args["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if "schema" in case:
        args["output_config"] = {"format": {"type": "json_schema", "schema": case["schema"]}}
    return args


def call(item):
    client = anthropic.Anthropic(base_url=item["origin"], api_key=item["key"], max_retries=0)
    args = arguments(item)
    if item["case"].get("stream"):
        events = []
        with client.messages.stream(**args) as stream:
            for event in stream:
                events.append(event.to_dict())
            answer = stream.get_final_message()
        result = {"events": events, "final": answer.to_dict()}
    else:
        answer = client.messages.create(**args)
        if outcomes := item["case"].get("loop"):
            uses = [block for block in answer.content if block.type == "tool_use"]
            given = [{"type": "tool_result", "tool_use_id": use.id, "content": outcomes[use.name]} for use in uses]
            args["messages"] += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": given}]
            answer = client.messages.create(**args)
        result = answer.to_dict()
    text = "".join(block.text for block in answer.content if block.type == "text")
    tools = [(block.id, block.name, block.input) for block in answer.content if block.type == "tool_use"]
    thought = "".join(block.thinking for block in answer.content if block.type == "thinking")
    usage = (answer.usage.input_tokens, answer.usage.output_tokens)
    data = text if "schema" in item["case"] else None
    return result, meaning(text, tools, answer.stop_reason, usage, data, thought)


run(call, lambda error: getattr(error, "status_code", None), lambda error: getattr(error, "body", None) or str(error))
