"""Runs the cases with the official Python SDK: client.py PLAN > results, one JSON object a line."""

import json
import sys
import urllib.request

import openai


def control(item, path, method, body=None):
    base = item["control"].removesuffix("/v1")
    request = urllib.request.Request(base + path, data=body, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def failure(error):
    names = ("status_code", "code", "type", "param")
    found = {name: getattr(error, name, None) for name in names}
    return {"error": type(error).__name__, **found, "message": str(error)}


def call(client, item):
    args = dict(item["args"], model=item["model"])
    if item["call"] == "models":
        return {"ids": [model.id for model in client.models.list()]}
    if item["call"] == "embeddings":
        return client.embeddings.create(**args).to_dict()
    if item["call"] == "chat":
        return client.chat.completions.create(**args).to_dict()
    chunks = []
    try:
        for chunk in client.chat.completions.create(**args, stream=True):
            chunks.append(chunk.to_dict())
    except Exception as error:  # whatever the SDK makes of a broken stream is what is compared
        return {"chunks": chunks, **failure(error)}
    return {"chunks": chunks}


for item in json.load(open(sys.argv[1], encoding="utf-8")):
    control(item, "/_fake/requests", "DELETE")
    if "script" in item:
        control(item, "/_fake/script", "POST", json.dumps(item["script"]).encode())
    client = openai.OpenAI(base_url=item["base_url"], api_key=item["key"], max_retries=item.get("retries", 2))
    try:
        result = call(client, item)
    except Exception as error:  # compared too
        result = failure(error)
    log = control(item, "/_fake/requests", "GET")
    requests = [{"path": e["path"], **e["whole"]} for e in log if e["event"] == "arrival"]
    print(json.dumps({"name": item["name"], "result": result, "requests": requests}), flush=True)
