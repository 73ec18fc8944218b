"""Fetches a page, and is down unless it is there and says what it should."""

from farwatch import Check, Problem, down, http, up


class Page(Check):
    name = "my-check"
    version = "0.1.0"
    summary = "Fetches a page, and is down unless it is there and says what it should."
    capabilities = ["http"]
    config = {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            "url": {"type": "string", "format": "uri", "description": "The page."},
            "contains": {"type": "string", "description": "A text that must stand in it."},
        },
        "examples": [{"url": "https://example.com", "contains": "Example"}],
    }

    def judge(self, config):
        if not config["url"].startswith(("http://", "https://")):
            yield Problem("url-bad", "write a whole URL, such as https://example.com", "/url")

    def run(self, config, context):
        try:
            response = http.get(config["url"], context.timeout_ms)
        except http.Failed as failed:
            return failed.outcome()
        return judged(config, response)


def judged(config, response):
    """What an answer says of the page: a plain function, so that a test needs no server."""
    status, text = response.status, config.get("contains")
    if not response.ok:
        found = down("status-unexpected", f"the page is not there, by status {status}")
    elif text is not None and text not in response.text:
        found = down("text-missing", f'the page is there and does not say "{text}"')
    else:
        found = up(f"the page is there, by status {status}")
    found.latency_us, found.facts = response.latency_us, response.facts
    return found
