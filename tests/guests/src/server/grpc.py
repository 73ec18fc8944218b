"""Serves gRPC on loopback, without and with TLS: the health service, perhaps behind a token."""

import json
import pathlib
import sys
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

told = json.loads(sys.argv[1])
settings = told["settings"]


class Door(grpc.ServerInterceptor):
    """Lets in whoever has the token."""

    def intercept_service(self, continuation, call):
        if ("authorization", settings["token"]) in call.invocation_metadata:
            return continuation(call)
        refuse = lambda request, context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token, no answer: 100%")
        return grpc.unary_unary_rpc_method_handler(refuse)


server = grpc.server(futures.ThreadPoolExecutor(), interceptors=[Door()] if settings["token"] else [])
if settings["services"] is not None:
    servicer = health.HealthServicer()
    for name, status in settings["services"].items():
        servicer.set(name, health_pb2.HealthCheckResponse.ServingStatus.Value(status))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
pair = [(pathlib.Path(told["key"]).read_bytes(), pathlib.Path(told["chain"]).read_bytes())]
server.add_insecure_port(f"127.0.0.1:{told['port']}")
server.add_secure_port(f"127.0.0.1:{told['tls_port']}", grpc.ssl_server_credentials(pair))
server.start()
server.wait_for_termination()
