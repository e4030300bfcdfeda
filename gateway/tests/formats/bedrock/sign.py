"""Signs requests with botocore at a fixed time, into signed.json.

    pip install botocore && python sign.py > signed.json
"""

import datetime
import hashlib
import json
import random
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


def main():
    dice = random.Random(1)
    rows = [json.dumps(signed(number, dice)) for number in range(50)]
    print("[\n" + ",\n".join(rows) + "\n]")


main()
