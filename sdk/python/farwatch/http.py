"""HTTP probes: `http.get(url, timeout_ms)` makes one request and returns a `Response`, or raises a `Failed`.

One request, one connection. Redirects are not followed: `Response.location` says where one leads. A module that uses it
names `http` among its capabilities. It works inside a component only: tests hand a `Response` to what judges one.
"""

from dataclasses import dataclass, field

from farwatch import Problem, down

#: How much of a body is read, unless that is said; at most 1 MiB.
BODY_BYTES = 256 << 10


@dataclass
class Response:
    """An answer. The names of headers are in lower case; `facts` are its status and how long each step took."""

    status: int
    body: bytes = b""
    headers: list = field(default_factory=list)
    location: str | None = None
    is_cut: bool = False
    latency_us: int = 0
    facts: dict = field(default_factory=dict)

    @property
    def ok(self):
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self):
        """The body as text. What is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")

    def header(self, name, default=None):
        """A header by its name."""
        return next((value for known, value in self.headers if known == name.lower()), default)


class Failed(Exception):
    """There is no answer. `code` says why: `connection-refused`, `dns-not-found`, `first-byte-timeout`."""

    def __init__(self, code, message, latency_us=0, facts=None):
        super().__init__(message)
        self.code, self.message, self.latency_us, self.facts = code, message, latency_us, facts or {}

    def outcome(self):
        """What that says of the target: that it is down, by these words."""
        return down(self.code, self.message, self.latency_us, self.facts)


def get(url, timeout_ms, **more):
    """Asks for a page. `timeout_ms` is for the whole request; give it what is left of `context.timeout_ms`."""
    return request("GET", url, timeout_ms, **more)


def post(url, body, timeout_ms, **more):
    """Sends a body."""
    return request("POST", url, timeout_ms, body=body, **more)


def request(method, url, timeout_ms, *, headers=(), body=None, verify_tls=True, max_body_bytes=BODY_BYTES):
    """Any request. Raises `Failed` where the target gave no answer, and `Problem` where the host made no probe."""
    # There is no such package outside of a component; inside, `component.py` has imported it.
    from componentize_py_types import Err
    from wit_world.imports import http, types

    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    body = body.encode() if isinstance(body, str) else body
    wanted = http.Want.HEADERS | http.Want.BODY
    automatic = http.Version.AUTOMATIC
    asked = http.Request(method, url, pairs, body, automatic, verify_tls, None, None, max_body_bytes, timeout_ms, wanted)
    try:
        answer = http.fetch(asked)
    except Err as error:
        failure = error.value
        if failure.phase == types.Phase.PREPARE or failure.code == "egress-refused":
            raise Problem(failure.code, failure.message) from None
        raise Failed(failure.code, failure.message, failure.times.total, _took(failure.times)) from None
    facts = {"http.status": answer.status, **_took(answer.times)}
    cut, total = answer.body_truncated, answer.times.total
    return Response(answer.status, answer.body, answer.headers, answer.location, cut, total, facts)


def _took(times):
    """How long each step took, under the names that the built-in modules use."""
    steps = ("resolve", "connect", "tls", "first_byte", "transfer")
    took = {step: getattr(times, step) for step in steps}
    return {f"time.{step.replace('_', '-')}-us": us for step, us in took.items() if us is not None}
