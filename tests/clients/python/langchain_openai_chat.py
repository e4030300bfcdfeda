"""LangChain's client for OpenAI, chat completions."""

from harness import meaning, run
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI


def messages(case):
    found = [SystemMessage(case["system"])] if "system" in case else []
    content = case["prompt"]
    if "image" in case:
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + case["image"]}}
        content = [{"type": "text", "text": case["prompt"]}, image]
    found.append(HumanMessage(content))
    if results := case.get("results"):
        calls = [{"id": r["id"], "name": r["name"], "args": r["arguments"], "type": "tool_call"} for r in results]
        found.append(AIMessage("", tool_calls=calls))
        found += [ToolMessage(r["result"], tool_call_id=r["id"]) for r in results]
    return found


def call(item):
    case = item["case"]
    names = {"max": "max_tokens", "temperature": "temperature", "stop": "stop", "effort": "reasoning_effort"}
    given = {names[name]: case[name] for name in names if name in case}
    model = ChatOpenAI(
        model=item["model"], base_url=item["origin"] + "/v1", api_key=item["key"], max_retries=0, stream_usage=True, **given
    )
    if case.get("tools"):
        model = model.bind_tools([{"type": "function", "function": tool} for tool in item["tools"]], tool_choice=case.get("choice"), strict=True)
    if "schema" in case:
        schema = {"title": "answer", "description": "The answer.", **case["schema"]}
        found = model.with_structured_output(schema, method="json_schema", include_raw=True).invoke(messages(case))
        answer, data = found["raw"], found["parsed"]
    elif case.get("stream"):
        chunks = list(model.stream(messages(case)))
        answer, data = sum(chunks[1:], chunks[0]), None
    else:
        answer, data = model.invoke(messages(case)), None
        if outcomes := case.get("loop"):
            given = [ToolMessage(outcomes[one["name"]], tool_call_id=one["id"]) for one in answer.tool_calls]
            answer = model.invoke([*messages(case), answer, *given])
    tools = [(one["id"], one["name"], one["args"]) for one in answer.tool_calls]
    usage = answer.usage_metadata or {}
    finish = answer.response_metadata.get("finish_reason")
    counts = (usage.get("input_tokens"), usage.get("output_tokens"))
    return answer.model_dump(), meaning(answer.text, tools, finish, counts, data)


run(call, lambda error: getattr(error, "status_code", None), lambda error: getattr(error, "body", None) or str(error))
