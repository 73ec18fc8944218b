"""What a check module is made with: subclass `Check`, and say what was found by `up`, `degraded` and `down`.

It imports nothing of the treaty, so that a check runs under any Python as well, for its test.
"""

import json
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What one run found. `facts` are for display and for graphs: {"page.links": 12}."""

    status: str
    code: str
    message: str
    latency_us: int = 0
    facts: dict = field(default_factory=dict)


def up(message="", latency_us=0, facts=None):
    """The target did everything that was asked of it."""
    return Outcome("up", "ok", message, latency_us, facts or {})


def degraded(code, message, latency_us=0, facts=None):
    """The target works, but worse than it should. `code` is a stable word such as `slow`."""
    return Outcome("degraded", code, message, latency_us, facts or {})


def down(code, message, latency_us=0, facts=None):
    """The target failed. `code` is a stable word; `message` is what people read at night."""
    return Outcome("down", code, message, latency_us, facts or {})


class Problem(Exception):
    """Something that is wrong with the config or with the run itself, never with the target.

    `field` is the part of the config that is wrong, as a JSON pointer such as `/url`.
    """

    def __init__(self, code, message, field=None):
        super().__init__(message)
        self.code, self.message, self.field = code, message, field


@dataclass
class Context:
    """What one run is about. A run that takes longer than `timeout_ms` is stopped and says nothing of its target."""

    check_id: str
    slot_ms: int
    now_ms: int
    attempt: int
    timeout_ms: int


class Check:
    """A check module: what it is, what its config looks like, and how it looks at its target."""

    name = ""
    version = ""
    summary = ""
    #: The probes that it makes, such as `http`; and `secrets`, where it asks for any.
    capabilities = ()
    #: The JSON Schema of its config.
    config = {}

    def judge(self, config):
        """What is wrong with a config beyond what its schema says: a list of problems."""
        return []

    def run(self, config, context):
        """Looks at the target once. Raises a `Problem` where nothing can be said of it."""
        raise NotImplementedError

    def schema(self):
        """The JSON Schema of its config, as text."""
        return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **self.config})

    def problems(self, text):
        """All that is wrong with a config, which is JSON text."""
        try:
            config = json.loads(text)
        except ValueError as error:
            return [Problem("config-not-json", f"the config is not JSON: {error}")]
        if not isinstance(config, dict):
            return [Problem("config-wrong-type", "the config must be an object", "")]
        return list(_held_against(config, self.config)) or list(self.judge(config))


_TYPES = {
    "string": str, "boolean": bool, "integer": int, "number": (int, float), "array": list, "object": dict,
    "null": type(None),
}


def _held_against(config, schema):
    """Holds a config against the first level of its schema: required and unknown fields, and their types."""
    properties = schema.get("properties", {})
    for name in schema.get("required", []):
        if name not in config:
            yield Problem("config-missing-field", f"`{name}` is missing", f"/{name}")
    for name, given in config.items():
        wanted = properties.get(name, {}).get("type")
        wanted = [wanted] if isinstance(wanted, str) else wanted
        if name not in properties:
            yield Problem("config-unknown-field", f"`{name}` is none of {', '.join(properties)}", f"/{name}")
        elif wanted and not any(_is(given, kind) for kind in wanted):
            yield Problem("config-wrong-type", f"`{name}` must be of type {' or '.join(wanted)}", f"/{name}")


def _is(given, kind):
    # Python counts True among the numbers; JSON does not.
    return isinstance(given, _TYPES[kind]) and (kind == "boolean" or not isinstance(given, bool))
