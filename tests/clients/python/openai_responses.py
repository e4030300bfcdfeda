"""OpenAI's Python SDK, Responses."""

import json

import openai
from harness import meaning, run


def entries(case):
    content = [{"type": "input_text", "text": case["prompt"]}]
    if "image" in case:
        content.append({"type": "input_image", "image_url": "data:image/png;base64," + case["image"], "detail": "auto"})
    found = [{"role": "user", "content": content}]
    for r in case.get("results", []):
        found.append({"type": "function_call", "call_id": r["id"], "name": r["name"], "arguments": json.dumps(r["arguments"])})
    for r in case.get("results", []):
        found.append({"type": "function_call_output", "call_id": r["id"], "output": r["result"]})
    return found


def arguments(item):
    case = item["case"]
    args = {"model": item["model"], "input": entries(case)}
    if "system" in case:
        args["instructions"] = case["system"]
    if "max" in case:
        args["max_output_tokens"] = case["max"]
    if "temperature" in case:
        args["temperature"] = case["temperature"]
    if case.get("tools"):
        args["tools"] = [{"type": "function", "strict": True, **tool} for tool in item["tools"]]
    if "choice" in case:
        args["tool_choice"] = {"type": "function", "name": case["choice"]}
    if "effort" in case:
        args["reasoning"] = {"effort": case["effort"], "summary": "auto"}
    if "schema" in case:
        args["text"] = {"format": {"type": "json_schema", "name": "answer", "strict": True, "schema": case["schema"]}}
    return args


def call(item):
    client = openai.OpenAI(base_url=item["origin"] + "/v1", api_key=item["key"], max_retries=0)
    args = arguments(item)
    if item["case"].get("stream"):
        events = []
        with client.responses.stream(**args) as stream:
            for event in stream:
                events.append(event.to_dict())
                # the SDK's own get_final_response knows no answer that was cut
                answer = getattr(event, "response", None)
        result = {"events": events, "final": answer.to_dict()}
    else:
        answer = client.responses.create(**args)
        if outcomes := item["case"].get("loop"):
            calls = [one for one in answer.output if one.type == "function_call"]
            args["input"] += answer.output
            args["input"] += [{"type": "function_call_output", "call_id": one.call_id, "output": outcomes[one.name]} for one in calls]
            answer = client.responses.create(**args)
        result = answer.to_dict()
    tools = [(one.call_id, one.name, one.arguments) for one in answer.output if one.type == "function_call"]
    thought = "".join(part.text for one in answer.output if one.type == "reasoning" for part in one.summary)
    usage = (answer.usage.input_tokens, answer.usage.output_tokens)
    data = answer.output_text if "schema" in item["case"] else None
    return result, meaning(answer.output_text, tools, answer.status, usage, data, thought)


run(call, lambda error: getattr(error, "status_code", None), lambda error: getattr(error, "body", None) or str(error))
