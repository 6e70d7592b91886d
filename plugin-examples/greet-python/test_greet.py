"""Starts greet.py as a proxy does, and talks to it over its socket.

python3 -m unittest, in this folder, with the packages of requirements.txt.
"""

import os
import queue
import subprocess
import sys
import tempfile
import unittest

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import greet
import plugin_pb2 as pb
import plugin_pb2_grpc

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "greet.py")
CONFIG = b'{"header": "x-greeting", "value": "hello"}'
WAIT_SECONDS = 20


def start(folder, **environment):
    """The program with nothing in its environment but what is said here."""
    known = {"PLUGIN_UNIX_SOCKET_DIR": folder, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, PROGRAM]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**known, **environment}, text=True, **pipes)


class Child:
    """The program, one session with it, and the way to end both."""

    def __init__(self, test):
        folder = tempfile.TemporaryDirectory()
        test.addCleanup(folder.cleanup)
        self.process = start(folder.name, MORTISE_PLUGIN="greet", PLUGIN_PROTOCOL_VERSIONS="1")
        test.addCleanup(self.process.communicate)
        test.addCleanup(self.process.kill)
        self.line = self.process.stdout.readline().rstrip("\n").split("|")
        self.channel = grpc.insecure_channel(f"unix:{self.line[3]}")
        test.addCleanup(self.channel.close)
        self.events = queue.Queue()
        session = plugin_pb2_grpc.PluginStub(self.channel).Session
        self.replies = session(iter(self.events.get, None), timeout=WAIT_SECONDS)

    def tell(self, *events):
        self.events.put(pb.ToPlugin(events=events))

    def ask(self, *events):
        self.tell(*events)
        return list(next(self.replies).replies)

    def begin(self):
        self.ask(pb.Event(hello=pb.Hello(versions=[1], generation=3)))
        return self.ask(configure(7, CONFIG))


def configure(instance, config, point=pb.STREAM_FILTER):
    return pb.Event(configure=pb.Configure(instance=instance, point=point, config=config))


def open_(context, instance=7):
    return pb.Event(open=pb.Open(instance=instance, context=context))


def headers(context, exchange, side=pb.REQUEST):
    fields = [pb.Field(name=b":path", value=b"/")]
    head = pb.Headers(context=context, exchange=exchange, side=side, fields=fields, end=True)
    return pb.Event(headers=head)


class Sessions(unittest.TestCase):
    def setUp(self):
        self.child = Child(self)

    def test_the_line_says_where_and_the_health_service_agrees(self):
        self.assertEqual(self.child.line[:3], ["1", "1", "unix"])
        self.assertEqual(self.child.line[4:], ["grpc"])
        check = health_pb2_grpc.HealthStub(self.child.channel).Check
        answer = check(health_pb2.HealthCheckRequest(service="plugin"), timeout=WAIT_SECONDS)
        self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_the_hello_is_answered_with_the_version_and_generation(self):
        [reply] = self.child.ask(pb.Event(hello=pb.Hello(versions=[1, 2], generation=3)))
        self.assertEqual((reply.hello.version, reply.hello.generation), (1, 3))

    def test_no_common_version_is_said(self):
        [reply] = self.child.ask(pb.Event(hello=pb.Hello(versions=[2], generation=3)))
        self.assertEqual(reply.hello.version, 0)

    def test_both_heads_get_the_header(self):
        [configured] = self.child.begin()
        self.assertEqual((configured.configured.instance, configured.configured.error), (7, ""))
        self.assertEqual(configured.configured.phases, 0b1001)
        sides = [(pb.REQUEST, pb.REQUEST_HEADERS), (pb.RESPONSE, pb.RESPONSE_HEADERS)]
        self.child.tell(open_(40))
        for exchange, (side, section) in enumerate(sides, start=1):
            [reply] = self.child.ask(headers(40, exchange, side))
            answer = reply.answer
            self.assertEqual((answer.generation, answer.context, answer.exchange), (3, 40, exchange))
            change = pb.FieldChange(section=section, name=b"x-greeting", value=b"hello")
            self.assertEqual(list(answer.changes), [pb.Change(set=change)])
            self.assertEqual(answer.verdict.go, pb.CONTINUE)

    def test_a_batch_is_answered_with_a_batch(self):
        self.child.begin()
        batch = [event for context in (1, 2, 3) for event in (open_(context), headers(context, 1))]
        replies = self.child.ask(*batch)
        self.assertEqual([reply.answer.context for reply in replies], [1, 2, 3])

    def test_contexts_that_are_not_open_are_no_reason_to_end(self):
        self.child.begin()
        complete = pb.Event(complete=pb.Complete(context=5))
        for before in [(), (open_(5), complete), (open_(5, instance=8),)]:
            [reply] = self.child.ask(*before, headers(5, 1))
            self.assertEqual(reply.answer.verdict.go, pb.FAILED)
        [reply] = self.child.ask(pb.Event(ping=pb.Ping(number=9)))
        self.assertEqual(reply.pong.number, 9)

    def test_a_released_instance_is_forgotten(self):
        self.child.begin()
        [reply] = self.child.ask(
            pb.Event(release=pb.Release(instance=7)), open_(1), headers(1, 1)
        )
        self.assertEqual(reply.answer.verdict.go, pb.FAILED)

    def test_a_drained_session_ends_with_its_last_stream(self):
        self.child.begin()
        self.child.tell(open_(1), pb.Event(drain=pb.Drain()))
        [reply] = self.child.ask(headers(1, 1))
        self.assertEqual(reply.answer.verdict.go, pb.CONTINUE)
        self.child.tell(pb.Event(complete=pb.Complete(context=1)))
        self.assertEqual(list(self.child.replies), [])
        self.assertEqual(self.child.replies.code(), grpc.StatusCode.OK)

    def test_shutdown_ends_the_program(self):
        shutdown = self.child.channel.unary_unary("/plugin.GRPCController/Shutdown")
        shutdown(b"", timeout=WAIT_SECONDS)
        self.assertEqual(self.child.process.wait(WAIT_SECONDS), 0)

    def test_sigterm_ends_the_program(self):
        self.child.process.terminate()
        self.assertEqual(self.child.process.wait(WAIT_SECONDS), 0)

    def test_other_uses_are_refused(self):
        [reply] = self.child.ask(configure(1, CONFIG, point=pb.NETWORK_FILTER))
        self.assertIn("streams only", reply.configured.error)


class Starts(unittest.TestCase):
    def check(self, said, **environment):
        with tempfile.TemporaryDirectory() as folder:
            process = start(folder, **environment)
            out, error = process.communicate(timeout=WAIT_SECONDS)
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertIn(said, error)

    def test_without_the_cookie_a_person_is_told_what_this_is(self):
        self.check("not meant to be run by hand")
        self.check("not meant to be run by hand", MORTISE_PLUGIN="deny")

    def test_certificates_and_other_versions_are_refused(self):
        self.check("mutual_tls", MORTISE_PLUGIN="greet", PLUGIN_CLIENT_CERT="-----BEGIN")
        self.check("version 1", MORTISE_PLUGIN="greet", PLUGIN_PROTOCOL_VERSIONS="2,3")


class Configurations(unittest.TestCase):
    def check(self, config, said):
        with self.assertRaises(greet.Refusal) as refusal:
            greet.Greeting(config)
        self.assertIn(said, str(refusal.exception))

    def test_a_configuration_is_a_header_and_its_value(self):
        read = greet.Greeting(CONFIG)
        self.assertEqual((read.header, read.value), (b"x-greeting", b"hello"))

    def test_what_is_no_such_thing_is_refused(self):
        self.check(b"", "missing field `header`")
        self.check(b"\xff", "no JSON")
        self.check(b"[" * 100_000, "no JSON")
        self.check(b"[]", "no map")
        self.check(b'{"header": "x"}', "missing field `value`")
        self.check(b'{"header": "x", "value": 1}', "`value` is no text")
        self.check(b'{"header": "x", "valu": "y", "value": "z"}', "unknown field 'valu'")
        self.check(b'{"header": "", "value": "y"}', "lower-case")
        self.check(b'{"header": "X", "value": "y"}', "lower-case")
        self.check(b'{"header": "x\\n", "value": "y"}', "lower-case")
        self.check(b'{"header": "\\ud800", "value": "y"}', "lower-case")
        self.check(b'{"header": "x", "value": "a\\r\\nb: c"}', "no header carries")


if __name__ == "__main__":
    unittest.main()
