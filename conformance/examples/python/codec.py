#!/usr/bin/env python3
"""A codec of the adit tunnel protocol, and the loop that lets the golden vectors examine it:

    adit-conform codec --ext --exec 'python3 conformance/examples/python/codec.py'

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

# The Extended profile: what a payload has, in its order, and the least and greatest sizes (section 24).
EXTENDED = {
    0x10: ("HELLO", "tlvs", 0, 4096),
    0x11: ("WINDOW", "id limit", 12, 12),
    0x12: ("FIN", "id", 4, 4),
    0x13: ("RESET", "id code text", 6, 262),
    0x14: ("OPEN", "id tlvs", 4, 4096),
    0x16: ("GOAWAY", "code text", 2, 258),
    0x17: ("PING", "mark", 8, 8),
    0x18: ("PONG", "mark", 8, 8),
    0x1D: ("OPENED", "id tlvs", 4, 4096),
}
HELLO, OPEN, OPENED = 0x10, 0x14, 0x1D
OPTIONS = {0x15, 0x19, 0x1A, 0x1B, 0x1C, 0x1E}  # types that were not agreed
NUMBERS = {"id": 4, "limit": 8, "code": 2}  # fields that are numbers
WINDOW_TAG, OFFERS = 4, range(0x10, 0x14)
TAGS = {  # of the table: in which frames of which sender, and the sizes where they are fixed
    1: ({(HELLO, "client"), (HELLO, "server")}, None),
    2: ({(HELLO, "client")}, None),
    3: ({(HELLO, "client")}, {16}),
    WINDOW_TAG: ({(HELLO, "client"), (HELLO, "server")}, {4}),
    5: ({(HELLO, "client")}, {4}),
    0x20: ({(OPEN, "server")}, {1}),
    0x21: ({(OPEN, "server")}, None),
    0x22: ({(OPEN, "server")}, {2}),
    0x23: ({(OPEN, "server")}, None),
    0x24: ({(OPEN, "server")}, {6, 18}),
    0x25: ({(OPEN, "server")}, {6, 18}),
}
TYPES = {name: number for number, name in NAMES.items()} | {row[0]: number for number, row in EXTENDED.items()}


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


def fits(kind, payload):
    """Whether the payload of an extended frame has an allowed size."""
    _, _, least, most = EXTENDED[kind]
    return least <= len(payload) <= most


def parse_extended(kind, payload, role):
    """The fields of an extended frame of an allowed size; raises Violation for wrong TLVs."""
    name, fields, _, _ = EXTENDED[kind]
    frame = {"type": name}
    for field in fields.split():
        size = NUMBERS.get(field, len(payload))
        part, payload = payload[:size], payload[size:]
        if field == "tlvs":
            frame["tlvs"] = tlvs(kind, part, role)
        else:
            frame[field] = int.from_bytes(part, "big") if field in NUMBERS else part.hex()
    return frame


def tlvs(kind, octets, role):
    """The TLVs of a frame that a side of that role receives."""
    senders = {"server": ["client"], "client": ["server"], "both": ["client", "server"]}[role]
    found, refused = [], None
    while octets:
        tag, size = int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:4], "big")
        if len(octets) < 4 + size:
            raise Violation("size", "TLV-001")
        value, octets = octets[4 : 4 + size], octets[4 + size :]
        places, sizes = TAGS.get(tag, (set(), None))
        known = all((kind, sender) in places for sender in senders)
        if known and (sizes and size not in sizes or any(t == tag for t, _ in found)):
            raise Violation("size", "TLV-001")
        if tag >= 0x8000 and kind != OPEN:
            refused = Violation("content", "TLV-003")
        if kind == HELLO and role == "client" and tag in OFFERS:
            refused = Violation("content", "HELLO-005")
        found.append((tag, value))
    if refused:
        raise refused
    return [{"tag": f"0x{tag:04X}", "value": value.hex()} for tag, value in found]


class Reader:
    """Takes frames off a stream, however it is cut."""

    def __init__(self, role, extended):
        self.role = role  # who receives: server, client, or both for neither in particular
        self.extended = extended  # HELLO was sent and received
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
            if self.extended:
                if kind in OPTIONS:
                    raise Violation("type", "HELLO-006")
                if kind == OPEN and self.role == "server" or kind == OPENED and self.role == "client":
                    raise Violation("type", "XOPEN-016")
                if kind == HELLO and length > EXTENDED[kind][3]:
                    raise Violation("size", "HELLO-012")
            end = HEADER.size + length
            if len(self.buffer) < end:
                return
            payload = bytes(self.buffer[HEADER.size : end])
            extended = self.extended and kind in EXTENDED
            if not (fits(kind, payload) if extended else allowed(kind, payload)):
                raise Violation("size", "FRAME-008")
            del self.buffer[:end]
            if extended:
                yield parse_extended(kind, payload, self.role)
                continue
            yield parse(kind, payload)


def encode(frame):
    """The octets of a frame."""
    kind = TYPES[frame["type"]]
    if kind in EXTENDED:
        payload = b""
        for field in EXTENDED[kind][1].split():
            if field == "tlvs":
                for tlv in frame["tlvs"]:
                    value = bytes.fromhex(tlv["value"])
                    payload += struct.pack(">HH", int(tlv["tag"], 16), len(value)) + value
            elif field in NUMBERS:
                payload += frame[field].to_bytes(NUMBERS[field], "big")
            else:
                payload += bytes.fromhex(frame[field])
        return HEADER.pack(VERSION, kind, len(payload)) + payload
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
    reader, frames = Reader(request["role"], request.get("profile") == "ext"), []
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
