"""Google's Python SDK."""

import base64
import json

from google import genai
from google.genai import types
from harness import meaning, run


def contents(case):
    parts = [types.Part.from_text(text=case["prompt"])]
    if "image" in case:
        parts.append(types.Part.from_bytes(data=base64.b64decode(case["image"]), mime_type="image/png"))
    found = [types.Content(role="user", parts=parts)]
    if results := case.get("results"):
        calls = [types.Part.from_function_call(name=r["name"], args=r["arguments"]) for r in results]
        given = [types.Part.from_function_response(name=r["name"], response=json.loads(r["result"])) for r in results]
        found += [types.Content(role="model", parts=calls), types.Content(role="user", parts=given)]
    return found


def config(item):
    case = item["case"]
    args = {}
    if "system" in case:
        args["system_instruction"] = case["system"]
    if "max" in case:
        args["max_output_tokens"] = case["max"]
    if "temperature" in case:
        args["temperature"] = case["temperature"]
    if "stop" in case:
        args["stop_sequences"] = case["stop"]
    if case.get("tools"):
        declared = [
            types.FunctionDeclaration(name=t["name"], description=t["description"], parameters_json_schema=t["parameters"])
            for t in item["tools"]
        ]
        args["tools"] = [types.Tool(function_declarations=declared)]
    if "choice" in case:
        calling = types.FunctionCallingConfig(mode="ANY", allowed_function_names=[case["choice"]])
        args["tool_config"] = types.ToolConfig(function_calling_config=calling)
    if "effort" in case:
        args["thinking_config"] = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    if "schema" in case:
        args["response_mime_type"] = "application/json"
        args["response_json_schema"] = case["schema"]
    return types.GenerateContentConfig(**args)


def plain(answer):
    return answer.model_dump(mode="json", exclude_none=True, exclude={"sdk_http_response"})


def call(item):
    options = types.HttpOptions(base_url=item["origin"], retry_options=types.HttpRetryOptions(attempts=1))
    client = genai.Client(api_key=item["key"], http_options=options)
    args = {"model": item["model"], "contents": contents(item["case"]), "config": config(item)}
    if item["case"].get("stream"):
        answers = list(client.models.generate_content_stream(**args))
        result = {"chunks": [plain(answer) for answer in answers]}
    else:
        answers = [client.models.generate_content(**args)]
        if outcomes := item["case"].get("loop"):
            parts = [
                types.Part(function_response=types.FunctionResponse(id=one.id, name=one.name, response=json.loads(outcomes[one.name])))
                for one in answers[0].function_calls
            ]
            args["contents"] += [answers[0].candidates[0].content, types.Content(role="user", parts=parts)]
            answers = [client.models.generate_content(**args)]
        result = plain(answers[0])
    parts, finish, usage = [], None, None
    for answer in answers:
        for candidate in answer.candidates or []:
            parts += (candidate.content and candidate.content.parts) or []
            finish = candidate.finish_reason or finish
        usage = answer.usage_metadata or usage
    text = "".join(part.text for part in parts if part.text and not part.thought)
    thought = "".join(part.text for part in parts if part.text and part.thought)
    calls = [part.function_call for part in parts if part.function_call]
    # Google's own API need not name its calls
    tools = [(one.id or str(at), one.name, one.args) for at, one in enumerate(calls)]
    counts = (usage and usage.prompt_token_count, usage and usage.candidates_token_count)
    data = text if "schema" in item["case"] else None
    return result, meaning(text, tools, finish and finish.value, counts, data, thought)


run(call, lambda error: getattr(error, "code", None), lambda error: getattr(error, "details", None) or str(error))
