#!/usr/bin/env python3
"""Greet: adds one header, named by its configuration, to every request and its response.

A child process of the proxy, written straight on its protocol (abi/process/proto/plugin.proto)
with grpcio. It is started as plugins of hashicorp/go-plugin are, because grpcio opens its own
socket. It never touches bodies and never waits. Start reading at `Session`.
"""

import json
import os
import re
import signal
import sys
import tempfile
from concurrent import futures

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

import plugin_pb2 as pb
import plugin_pb2_grpc

VERSION = "0.1.0"
# The version of the protocol that is spoken here.
PROTOCOL = 1
# Which callbacks are wanted: the heads of request and response.
PHASES = 1 << 0 | 1 << 3
# What the proxy's configuration says under `bootstrap`.
COOKIE_KEY = "MORTISE_PLUGIN"
COOKIE_VALUE = "greet"
# One for each worker of the proxy; a proxy has no more than 256.
SESSIONS_MAX = 256
# More than the proxy sends at once.
MESSAGE_BYTES_MAX = 64 * 1024 * 1024

HEADER_NAME = re.compile(r"[a-z0-9_-]+")
HEADER_VALUE = re.compile(r"[ -~]*")


class Refusal(Exception):
    """Why a configuration cannot serve."""


class Greeting:
    """The configuration: {"header": "x-greeting", "value": "hello"}, and nothing else."""

    def __init__(self, config):
        try:
            read = json.loads(config or b"{}")
        except (ValueError, RecursionError) as error:
            raise Refusal(f"no JSON: {error}") from error
        if not isinstance(read, dict):
            raise Refusal("no map")
        for key in read:
            if key not in ("header", "value"):
                raise Refusal(f"unknown field {key!a}, expected `header` or `value`")
        header, value = text_of(read, "header"), text_of(read, "value")
        if not HEADER_NAME.fullmatch(header):
            raise Refusal(f"`header` is not a lower-case header name: {header!a}")
        if not HEADER_VALUE.fullmatch(value):
            raise Refusal(f"`value` has a character that no header carries: {value!a}")
        self.header, self.value = header.encode("ascii"), value.encode("ascii")


def text_of(read, key):
    """What stands under a key, which must be text."""
    if key not in read:
        raise Refusal(f"missing field `{key}`")
    if not isinstance(read[key], str):
        raise Refusal(f"`{key}` is no text")
    return read[key]


class Session:
    """What one worker of the proxy has here: instances by number, contexts by number."""

    def __init__(self):
        self.generation = 0
        self.greetings = {}
        # The instance of each stream.
        self.contexts = {}
        self.draining = False

    @property
    def over(self):
        """True where the proxy drains this child and the last stream is complete."""
        return self.draining and not self.contexts

    def on_event(self, event):
        """Answers one event of the proxy, or none."""
        kind = event.WhichOneof("kind")
        if kind == "headers":
            return self.on_headers(event.headers)
        if kind == "open":
            self.contexts[event.open.context] = event.open.instance
        elif kind == "complete":
            self.contexts.pop(event.complete.context, None)
        elif kind == "hello":
            return self.on_hello(event.hello)
        elif kind == "configure":
            return self.on_configure(event.configure)
        elif kind == "release":
            self.greetings.pop(event.release.instance, None)
        elif kind == "ping":
            return pb.Reply(pong=pb.Pong(number=event.ping.number))
        elif kind == "drain":
            self.draining = True
        # Whatever else there is was not asked for, or is newer than this plugin.
        return None

    def on_hello(self, hello):
        """Says which version is spoken: 0 where the proxy and this plugin have none in common."""
        self.generation = hello.generation
        back = pb.HelloBack(
            version=PROTOCOL if PROTOCOL in hello.versions else 0,
            generation=hello.generation,
            name="greet",
            package_version=VERSION,
            sdk=f"grpcio {grpc.__version__}",
        )
        return pb.Reply(hello=back)

    def on_configure(self, configure):
        """Starts the plugin for one use of it, or says why it does not serve this use."""
        configured = pb.Configured(instance=configure.instance)
        try:
            if configure.point != pb.STREAM_FILTER:
                raise Refusal("greet is a filter of streams only")
            self.greetings[configure.instance] = Greeting(configure.config)
            configured.phases = PHASES
        except Refusal as refusal:
            configured.error = f"bad configuration: {refusal}"
        return pb.Reply(configured=configured)

    def on_headers(self, headers):
        """Sets the header; what was there before gives way."""
        answer = pb.Answer(
            generation=self.generation, context=headers.context, exchange=headers.exchange
        )
        greeting = self.greetings.get(self.contexts.get(headers.context))
        if greeting is None:
            answer.verdict.go = pb.FAILED
            answer.verdict.error = f"the context {headers.context} is not open"
            return pb.Reply(answer=answer)
        section = pb.REQUEST_HEADERS if headers.side == pb.REQUEST else pb.RESPONSE_HEADERS
        change = pb.FieldChange(section=section, name=greeting.header, value=greeting.value)
        answer.changes.add(set=change)
        answer.verdict.go = pb.CONTINUE
        return pb.Reply(answer=answer)


class Plugin(plugin_pb2_grpc.PluginServicer):
    """The service of the protocol."""

    def Session(self, request_iterator, context):
        """One batch of replies for each batch of events, in order."""
        # The proxy sees that the session stands before it has said anything.
        context.send_initial_metadata(())
        session = Session()
        for batch in request_iterator:
            replies = [session.on_event(event) for event in batch.events]
            replies = [reply for reply in replies if reply is not None]
            if replies:
                yield pb.ToHost(replies=replies)
            if session.over:
                return


class Shutdown(grpc.GenericRpcHandler):
    """What a host of go-plugin calls in the end: plugin.GRPCController/Shutdown."""

    def __init__(self, stop):
        self.handler = grpc.unary_unary_rpc_method_handler(lambda _request, _context: stop() or b"")

    def service(self, handler_call_details):
        """An empty message has no bytes, so that no generated types are needed."""
        if handler_call_details.method == "/plugin.GRPCController/Shutdown":
            return self.handler
        return None


def check_host():
    """Ends with a word to the person where it was not the proxy that started this program."""
    if os.environ.get(COOKIE_KEY) != COOKIE_VALUE:
        sys.exit(
            "This program is a plugin of a proxy and is not meant to be run by hand.\n"
            f"The proxy starts it with {COOKIE_KEY}={COOKIE_VALUE} in the environment."
        )
    if os.environ.get("PLUGIN_CLIENT_CERT"):
        sys.exit("greet makes no certificates: say `mutual_tls: false` in the configuration")
    versions = os.environ.get("PLUGIN_PROTOCOL_VERSIONS", str(PROTOCOL))
    if str(PROTOCOL) not in versions.split(","):
        sys.exit(f"greet speaks version {PROTOCOL}, the proxy wants one of {versions}")


def main():
    """Serves until the proxy wants no more."""
    check_host()
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES_MAX)]
    server = grpc.server(futures.ThreadPoolExecutor(SESSIONS_MAX + 2), options=options)
    plugin_pb2_grpc.add_PluginServicer_to_server(Plugin(), server)
    serving = health.HealthServicer()
    serving.set("plugin", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(serving, server)
    server.add_generic_rpc_handlers([Shutdown(lambda: server.stop(grace=1) and None)])
    # Ctrl-C in a terminal is meant for the proxy, which then ends its plugins in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda _number, _frame: server.stop(grace=1))

    folder = os.environ.get("PLUGIN_UNIX_SOCKET_DIR") or tempfile.gettempdir()
    path = os.path.join(folder, f"greet-{os.getpid()}.sock")
    server.add_insecure_port(f"unix:{path}")
    server.start()
    line = f"1|{PROTOCOL}|unix|{path}|grpc"
    # A host that may multiplex its connection wants to hear that this child does not.
    print(line if not os.environ.get("PLUGIN_MULTIPLEX_GRPC") else f"{line}||false", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
