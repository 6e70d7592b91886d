"""A server and a client of Courier, to see the example at work.

    python3 peer.py serve 127.0.0.1:9000
    python3 peer.py call 127.0.0.1:8080 depot.Parcels/track "parcel 12" [name=value ...]

The client prints the response's status, fields and body. A method `wait` is answered after two
seconds, a method `note` is sent one-way.
"""

import socket
import socketserver
import struct
import sys
import time

HEAD = struct.Struct(">2sBBIIII")
REQUEST, ONE_WAY, RESPONSE, HEARTBEAT, HEARTBEAT_REPLY = range(5)
TIMEOUT_MS = 1000


def frame(kind, number, word=0, fields=(), body=b""):
    block = b""
    for name, value in fields:
        block += struct.pack(">HH", len(name), len(value)) + name + value
    return HEAD.pack(b"CR", 1, kind, number, word, len(block), len(body)) + block + body


def exactly(stream, count):
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def read(stream):
    magic, version, kind, number, word, block, body = HEAD.unpack(exactly(stream, HEAD.size))
    if (magic, version) != (b"CR", 1):
        raise ValueError("no frame of Courier")
    block, body = exactly(stream, block), exactly(stream, body)
    fields, at = [], 0
    while at < len(block):
        name, value = struct.unpack_from(">HH", block, at)
        at += 4
        fields.append((block[at : at + name], block[at + name : at + name + value]))
        at += name + value
    return kind, number, word, fields, body


class Server(socketserver.StreamRequestHandler):
    def handle(self):
        try:
            while True:
                self.answer(*read(self.rfile))
        except (EOFError, ConnectionError):
            pass

    def answer(self, kind, number, word, fields, body):
        said = b" ".join(name + b"=" + value for name, value in fields).decode()
        if kind == HEARTBEAT:
            self.wfile.write(frame(HEARTBEAT_REPLY, number))
        elif kind in (REQUEST, ONE_WAY):
            print(f"{'one-way' if kind == ONE_WAY else 'request'} {said} {body.decode()!r}", flush=True)
        if kind == REQUEST:
            if (b"method", b"wait") in fields:
                time.sleep(2)
            self.wfile.write(frame(RESPONSE, number, 0, [(b"place", b"Lisbon")], b"seen: " + body))


class Listener(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def call(address, target, body, fields):
    service, _, method = target.rpartition("/")
    head = [(b"service", service.encode()), (b"method", method.encode())]
    kind = ONE_WAY if method == "note" else REQUEST
    with socket.create_connection(address) as connection, connection.makefile("rb") as stream:
        connection.sendall(frame(kind, 7, TIMEOUT_MS, head + fields, body))
        if kind == ONE_WAY:
            return 0
        _kind, number, status, fields, body = read(stream)
        print(f"status {status} of call {number}")
        for name, value in fields:
            print(f"{name.decode()}={value.decode()}")
        print(body.decode())
        return status


def main(verb, address, *rest):
    host, _, port = address.rpartition(":")
    if verb == "serve":
        with Listener((host, int(port)), Server) as server:
            print(f"serves on {host}:{server.server_address[1]}", flush=True)
            server.serve_forever()
    target, body, *fields = rest
    fields = [tuple(part.encode() for part in field.split("=", 1)) for field in fields]
    return call((host, int(port)), target, body.encode(), fields)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
