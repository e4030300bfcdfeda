"""Signs requests with botocore at a fixed time: as the hub signs them (signed.json, and lists.json of those for the
lists of models), and as the hub is sent them (received.json).

    pip install botocore && python sign.py > signed.json
    python sign.py lists > lists.json && python sign.py received > received.json
"""

import datetime
import hashlib
import json
import random
import sys
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

MODELS = [
    "anthropic.claude-haiku-4-5-20251001-v1%3A0",
    "us.anthropic.claude-sonnet-4-6",
    "amazon.nova-lite-v1%3A0",
    "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-pro-v1%3A0",
    "cohere.embed-english-v3",
]
REGIONS = ["us-east-1", "us-west-2", "eu-central-1", "ap-northeast-1", "us-gov-west-1"]
BODIES = [
    '{"messages":[{"role":"user","content":[{"text":"hi"}]}]}',
    '{"messages":[{"role":"user","content":[{"text":"h\u00e9, \u4f60\u597d \U0001f642"}]}]}',
    "{}",
    "",
    '{"inputText":"' + "x" * 3000 + '"}',
]
DOES = ["converse", "converse-stream", "invoke"]


def signed(number, dice):
    region = REGIONS[number % len(REGIONS)]
    host = f"bedrock-runtime.{region}.amazonaws.com"
    if number % 10 == 7:
        host += ":8443"
    url = f"https://{host}/model/{MODELS[dice.randrange(len(MODELS))]}/{dice.choice(DOES)}"
    token = f"IQoJb3JpZ2luX2VjE{number}//+==" if number % 3 == 0 else None
    access, secret = f"AKIDEXAMPLE{number}", f"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY{number}"
    if number < 2:
        # the two of which the hashes were made by hand, too
        access, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
        region, token = "us-east-1", [None, "SESSIONTOKEN"][number]
        path = [MODELS[0] + "/converse", MODELS[2] + "/converse-stream"][number]
        url = f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{path}"
    body = BODIES[number % len(BODIES)] if number >= 2 else BODIES[0]
    micros = 1767323045_000000 if number < 2 else dice.randrange(1_600_000_000, 2_000_000_000) * 1_000_000
    now = datetime.datetime.fromtimestamp(micros / 1e6, datetime.timezone.utc).replace(tzinfo=None)
    request = AWSRequest("POST", url, headers={"content-type": "application/json"}, data=body.encode())
    signer = botocore.auth.SigV4Auth(Credentials(access, secret, token), "bedrock", region)
    with mock.patch("botocore.auth.get_current_datetime", lambda *_: now):
        signer.add_auth(request)
    secret = ":".join(part for part in (access, secret, token) if part)
    return {
        "secret": secret,
        "url": url,
        "micros": micros,
        "body": body,
        "sha256": hashlib.sha256(body.encode()).hexdigest(),
        "date": request.headers["X-Amz-Date"],
        "token": token,
        "authorization": request.headers["Authorization"],
    }


LISTS = [
    "foundation-models?byInferenceType=ON_DEMAND",
    "inference-profiles?maxResults=1000&type=SYSTEM_DEFINED",
    "inference-profiles?maxResults=1000&nextToken=t%2F1%2B%3D&type=SYSTEM_DEFINED",
]


def listed(number):
    url = f"https://bedrock.{REGIONS[number]}.amazonaws.com/{LISTS[number]}"
    access, secret, token = f"AKIDEXAMPLE{number}", f"wJalrXUtnFEMI/K7MDENG{number}", [None, "TOKEN//=="][number % 2]
    micros = (1_790_000_000 + number) * 1_000_000
    now = datetime.datetime.fromtimestamp(micros / 1e6, datetime.timezone.utc).replace(tzinfo=None)
    request = AWSRequest("GET", url)
    signer = botocore.auth.SigV4Auth(Credentials(access, secret, token), "bedrock", REGIONS[number])
    with mock.patch("botocore.auth.get_current_datetime", lambda *_: now):
        signer.add_auth(request)
    return {
        "secret": ":".join(part for part in (access, secret, token) if part),
        "region": REGIONS[number],
        "url": url,
        "micros": micros,
        "authorization": request.headers["Authorization"],
    }


HOSTS = ["http://127.0.0.1:8787", "https://hub.example", "http://hub.example:80", "http://[::1]:8787", "https://hub.example:8443"]
TARGETS = [
    "/model/demo/converse",
    "/model/openai%2Fgpt-4o-mini/converse-stream",
    "/model/a%20b~c%28d%29%C3%A9%2B/converse",
    "/model/a:b,c@d!e$f'g(h)*i+j;k=l/converse",
    "/model/demo/converse?b=2&a=1&a=0&empty=&bare&z%2Fz=%C3%A9%2B",
]
# what clients send beside content type, host and date
SENT = [
    [],
    [["Accept", "application/json"], ["User-Agent", "Boto3/1"], ["amz-sdk-invocation-id", "0b3c"], ["amz-sdk-request", "attempt=1; max=5"]],
    [["X-Amz-Meta", "two"], ["X-Amz-Meta", "one"], ["x-other", "  many   spaces\tand a  tab "]],
    [["X-Amz-Content-SHA256", None], ["X-Amzn-Bedrock-Trace", "ENABLED"], ["x-text", "a=b;c"]],
]


def received(number):
    host, target = HOSTS[number % len(HOSTS)], TARGETS[(number // 2) % len(TARGETS)]
    body = BODIES[number % 4]
    region = REGIONS[number % len(REGIONS)]
    access, secret = f"HUBKEY{number}", f"secret/of+signing-{number}"
    micros = (1_790_000_000 + 86_399 * number) * 1_000_000
    now = datetime.datetime.fromtimestamp(micros / 1e6, datetime.timezone.utc).replace(tzinfo=None)
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    request = AWSRequest("POST", host + target, data=body.encode())
    request.headers["Content-Type"] = "application/json"
    for name, value in SENT[number % len(SENT)]:
        request.headers[name] = value or sha256
    signer = botocore.auth.SigV4Auth(Credentials(access, secret), "bedrock", region)
    with mock.patch("botocore.auth.get_current_datetime", lambda *_: now):
        signer.add_auth(request)
    host = botocore.auth._host_from_url(host)
    headers = [["Host", host]] + [[name, value] for name, value in request.headers.items()]
    return {"secret": f"{access}:{secret}", "target": target, "micros": micros, "headers": headers, "body": body}


def main():
    dice = random.Random(1)
    if sys.argv[1:] == ["received"]:
        rows = [json.dumps(received(number)) for number in range(40)]
    elif sys.argv[1:] == ["lists"]:
        rows = [json.dumps(listed(number)) for number in range(len(LISTS))]
    else:
        rows = [json.dumps(signed(number, dice)) for number in range(50)]
    print("[\n" + ",\n".join(rows) + "\n]")


main()
