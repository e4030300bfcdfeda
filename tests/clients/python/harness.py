"""Runs a plan with one client: PROGRAM PLAN > results, one JSON object a line.

A client is a module with `call(item)`, which makes the call that the item's case describes with the client as it is
and returns `(result, meaning)`: what the client returned, as data, and what it says in no vendor's words."""

import json
import sys
import urllib.request


def control(item, method):
    request = urllib.request.Request(item["control"] + "/_fake/requests", method=method)
    with urllib.request.urlopen(request) as answer:
        return json.loads(answer.read() or b"null")


def meaning(text="", tools=(), finish=None, usage=(None, None), data=None, thought=""):
    """What an answer says. `tools` are triples of id, name and arguments; those and `data` parsed or not."""
    parsed = [(id, name, json.loads(given) if isinstance(given, str) else given) for id, name, given in tools]
    ids = [id for id, _, _ in parsed]
    return {
        "text": text or "",
        "thought": thought or "",
        "tools": [{"name": name, "arguments": arguments} for _, name, arguments in parsed],
        "ids_apart": all(ids) and len(set(ids)) == len(ids),
        "finish": finish,
        "usage": {"input": usage[0], "output": usage[1]},
        "data": json.loads(data) if isinstance(data, str) else data,
    }


def run(call, status, message):
    """`status` and `message` read the client's own errors."""
    for item in json.load(open(sys.argv[1], encoding="utf-8")):
        control(item, "DELETE")
        try:
            result, meant = call(item)
        except Exception as error:  # what the client makes of a failure is compared too
            name = type(error).__name__
            result = {"error": name, "status": status(error), "message": message(error)}
            meant = {"error": name, "status": result["status"]}
        requests = [{"path": e["path"], **e["whole"]} for e in control(item, "GET") if e["event"] == "arrival"]
        row = {"run": item["run"], "case": item["case"]["name"], "result": result, "meaning": meant, "requests": requests}
        print(json.dumps(row, default=str), flush=True)
