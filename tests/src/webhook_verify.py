"""Checks recorded webhooks by PyPI's standardwebhooks. Reads {secret, requests} from standard input and prints a list
with null for each good request and the reason for each other."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verdict(webhook, request):
    try:
        webhook.verify(request["body"], request["headers"])
    except WebhookVerificationError as error:
        return str(error)
    return None


asked = json.load(sys.stdin)
webhook = Webhook(asked["secret"])
print(json.dumps([verdict(webhook, request) for request in asked["requests"]]))
