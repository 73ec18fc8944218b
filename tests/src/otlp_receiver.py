"""A collector for tests: takes traces and metrics by OTLP over HTTP, reads them by the protocol's own messages as PyPI's
opentelemetry-proto has them, and notes each in a line of JSON on standard output, after a line with its port.

Run by otlp_receiver.rs. It ends when its standard input ends, and so with the test that runs it.
"""

import base64
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

MESSAGES = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}
lock = threading.Lock()


def plain(message):
    """The message as plain data, with the ids as everybody writes them, in hex."""
    read = MessageToDict(message, preserving_proto_field_name=True)
    for resource in read.get("resource_spans", []):
        for scope in resource["scope_spans"]:
            for span in scope.get("spans", []):
                for name in ("trace_id", "span_id", "parent_span_id"):
                    span[name] = base64.b64decode(span.get(name, "")).hex()
    return read


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        message = MESSAGES[self.path]()
        message.ParseFromString(body)
        status = 200 if self.headers["content-type"] == "application/x-protobuf" else 415
        headers = {name.lower(): value for name, value in self.headers.items()}
        with lock:
            print(json.dumps({"path": self.path, "headers": headers, "message": plain(message)}), flush=True)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
