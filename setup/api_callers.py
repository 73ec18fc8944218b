"""Makes each question of `make api` come from another address of loopback, as if many callers asked.

Requests without a good token are limited per address, and most of what schemathesis asks about authentication would
otherwise be answered by that limit (429) and not by what is asked. The limit itself has tests of its own, in
control/tests/all/api/limits.rs. Connections are not kept, so that each question has an address.
"""

import itertools

import requests.sessions
from urllib3.util import connection

# Fewer than the API remembers, and more than are asked before a limit has filled up again.
CALLERS = 10_000

callers = itertools.count()
connect = connection.create_connection
usual_headers = requests.sessions.default_headers


def connect_as_another(address, timeout=None, source_address=None, socket_options=None):
    caller = next(callers) % CALLERS
    return connect(address, timeout, (f"127.1.{1 + caller // 100}.{1 + caller % 100}", 0), socket_options)


def headers_of_one_question():
    headers = usual_headers()
    headers["Connection"] = "close"
    return headers


connection.create_connection = connect_as_another
requests.sessions.default_headers = headers_of_one_question
