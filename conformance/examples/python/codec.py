#!/usr/bin/env python3
"""A codec of the adit tunnel protocol, and the loop that lets the golden vectors examine it:

    adit-conform codec --exec 'python3 conformance/examples/python/codec.py'

It reads one JSON request a line and writes one JSON answer a line. The standard
library is enough; nothing here knows a vector.
"""

import json
import struct
import sys

VERSION = 0x01
HEADER = struct.Struct(">BBI")  # version, type, length of the payload
MAX_PAYLOAD = 1 << 20
REQUEST, RESPONSE, DATA, CLOSE, KEEPALIVE = 1, 2, 3, 4, 5
NAMES = {REQUEST: "ConnectRequest", RESPONSE: "ConnectResponse", DATA: "Data", CLOSE: "Close", KEEPALIVE: "KeepAlive"}
TYPES = {name: number for number, name in NAMES.items()}


class Violation(Exception):
    """What a peer did wrong. In a codec every one of them ends the tunnel."""

    def __init__(self, layer, requirement):
        self.error = {"layer": layer, "dies": "tunnel", "requirement": requirement}


def allowed(kind, payload):
    """Whether a payload has a size that its type allows (section 6)."""
    n = len(payload)
    if kind == REQUEST:
        return n == 6 or (n >= 7 and n == 7 + payload[6])
    if kind == RESPONSE:
        return n == 5
    if kind == DATA:
        return n >= 4
    if kind == CLOSE:
        return n == 4
    return n == 0 or kind != KEEPALIVE


def parse(kind, payload):
    """The fields of a payload of an allowed size."""
    if kind not in NAMES:
        return {"type": f"0x{kind:02X}", "octets": payload.hex()}
    frame = {"type": NAMES[kind]}
    if kind != KEEPALIVE:
        frame["id"] = int.from_bytes(payload[:4], "big")
    if kind == REQUEST:
        frame["port"] = int.from_bytes(payload[4:6], "big")
        frame["form"] = "short"
        if len(payload) > 6:
            frame.update(form="addressed", host=payload[7:].decode("latin-1"))
    elif kind == RESPONSE:
        frame["status"] = payload[4]
    elif kind == DATA:
        frame["octets"] = payload[4:].hex()
    return frame


class Reader:
    """Takes frames off a stream, however it is cut."""

    def __init__(self, role):
        self.role = role  # who receives: server, client, or both for neither in particular
        self.buffer = bytearray()

    def feed(self, chunk):
        """Yields the frames that are complete with this chunk; raises Violation."""
        self.buffer += chunk
        while len(self.buffer) >= HEADER.size:
            version, kind, length = HEADER.unpack_from(self.buffer)
            if version != VERSION:
                raise Violation("version", "FRAME-002")
            if length > MAX_PAYLOAD:  # without waiting for the payload
                raise Violation("length", "FRAME-004")
            if self.role == "server" and kind == REQUEST:
                raise Violation("type", "OPEN-010")
            if self.role == "client" and kind == RESPONSE:
                raise Violation("type", "OPEN-011")
            end = HEADER.size + length
            if len(self.buffer) < end:
                return
            payload = bytes(self.buffer[HEADER.size : end])
            if not allowed(kind, payload):
                raise Violation("size", "FRAME-008")
            del self.buffer[:end]
            yield parse(kind, payload)


def encode(frame):
    """The octets of a frame."""
    kind = TYPES[frame["type"]]
    payload = b"" if kind == KEEPALIVE else struct.pack(">I", frame["id"])
    if kind == REQUEST:
        payload += struct.pack(">H", frame["port"])
        if frame["form"] == "addressed":
            host = frame["host"].encode("latin-1")
            payload += bytes([len(host)]) + host
    elif kind == RESPONSE:
        payload += bytes([frame["status"]])
    elif kind == DATA:
        payload += bytes.fromhex(frame["octets"])
    return HEADER.pack(VERSION, kind, len(payload)) + payload


def answer(request):
    """What there is to say to one request."""
    if request["op"] == "encode":
        return {"octets": encode(request["frame"]).hex()}
    reader, frames = Reader(request["role"]), []
    try:
        for chunk in request["chunks"]:
            for frame in reader.feed(bytes.fromhex(chunk)):
                frames.append(frame)
    except Violation as v:
        return {"frames": frames, "error": v.error}
    return {"frames": frames, "rest": len(reader.buffer)}


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"id": request["id"]} | answer(request)), flush=True)
