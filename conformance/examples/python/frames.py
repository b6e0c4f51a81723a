"""Frames of the tunnel protocol: encoders and an incremental reader (PROTOCOL.md sections 4 to 6)."""
import struct
from collections import namedtuple

VERSION = 0x01
MAX_PAYLOAD = 1 << 20                     # FRAME-003, FRAME-004, FRAME-005
HEADER = 6

REQUEST, RESPONSE, DATA, CLOSE, KEEPALIVE = 1, 2, 3, 4, 5

# Statuses of section 6.2.
OK, GENERAL, REFUSED, TIMED_OUT, UNREACHABLE, NOT_RESOLVED, DENIED, TOO_MANY = range(8)

# Smallest and largest payload of each known type; the addressed request is checked in full below.
SIZES = {REQUEST: (6, 7 + 255), RESPONSE: (5, 5), DATA: (4, MAX_PAYLOAD), CLOSE: (4, 4), KEEPALIVE: (0, 0)}

_header = struct.Struct(">BBI")
_u32 = struct.Struct(">I")
_request = struct.Struct(">IH")
_response = struct.Struct(">IB")


class ProtocolError(Exception):
    """What section 15 calls a tunnel error; `layer` is the check that noticed."""

    def __init__(self, layer, text):
        super().__init__(text)
        self.layer = layer


# host is None for the short form, octets for the addressed one.
Request = namedtuple("Request", "id port host")
Response = namedtuple("Response", "id status")
Data = namedtuple("Data", "id octets")
Close = namedtuple("Close", "id")
KeepAlive = namedtuple("KeepAlive", "")
Unknown = namedtuple("Unknown", "type")   # only yielded on demand, the payload is never stored


def _frame(kind, payload):
    if len(payload) > MAX_PAYLOAD:        # FRAME-005
        raise ValueError("payload too long")
    return _header.pack(VERSION, kind, len(payload)) + payload      # FRAME-001


def request(cid, port, host=None):
    """ConnectRequest: the short form without a host (octets), the addressed form with one."""
    payload = _request.pack(cid, port)
    if host is not None:
        payload += bytes([len(host)]) + host
    return _frame(REQUEST, payload)


def response(cid, status):
    return _frame(RESPONSE, _response.pack(cid, status))


def data(cid, octets):
    return _frame(DATA, _u32.pack(cid) + octets)


def close(cid):
    return _frame(CLOSE, _u32.pack(cid))


def keepalive():
    return _frame(KEEPALIVE, b"")


def decode(kind, payload):
    """One known frame from its payload, whose size was checked against SIZES."""
    if kind == DATA:
        return Data(_u32.unpack_from(payload)[0], payload[4:])
    if kind == CLOSE:
        return Close(*_u32.unpack(payload))
    if kind == KEEPALIVE:
        return KeepAlive()
    if kind == RESPONSE:
        return Response(*_response.unpack(payload))
    cid, port = _request.unpack_from(payload)
    if len(payload) == 6:
        return Request(cid, port, None)
    if len(payload) != 7 + payload[6]:    # FRAME-008
        raise ProtocolError("size", "ConnectRequest host length")
    return Request(cid, port, payload[7:])


class Reader:
    """Turns octets, however split (FRAME-006), into frames. Memory grows with what came, not with
    what was announced (SEC-004); the payload of an unknown type is passed over (FRAME-007)."""

    def __init__(self, forbidden=(), show_unknown=False):
        self.forbidden = forbidden        # types the peer's role never sends (OPEN-010, OPEN-011)
        self.show_unknown = show_unknown
        self.buf = bytearray()
        self.skip = 0                     # octets of an unknown payload still to come
        self.skipped = 0                  # octets of that frame that came, header included
        self.skip_type = 0
        self.done = 0                     # frames completed

    @property
    def rest(self):
        """Octets of the frame that is begun and not complete."""
        return self.skipped if self.skip else len(self.buf)

    def feed(self, chunk):
        """Generator: the frames that chunk completes; raises ProtocolError where one is wrong."""
        if self.skip:
            n = min(self.skip, len(chunk))
            self.skip -= n
            self.skipped += n
            chunk = chunk[n:]
            if self.skip:
                return
            self.done += 1
            if self.show_unknown:
                yield Unknown(self.skip_type)
        buf = self.buf
        buf += chunk
        pos = 0
        try:
            while True:
                have = len(buf) - pos
                if have and buf[pos] != VERSION:          # FRAME-002, before all else
                    raise ProtocolError("version", "version 0x%02x" % buf[pos])
                if have < HEADER:
                    return
                _, kind, length = _header.unpack_from(buf, pos)
                if length > MAX_PAYLOAD:                  # FRAME-004, payload not waited for
                    raise ProtocolError("length", "length %d" % length)
                if kind not in SIZES:                     # FRAME-007
                    here = min(length, have - HEADER)
                    pos += HEADER + here
                    self.skip, self.skipped, self.skip_type = length - here, HEADER + here, kind
                    if self.skip:
                        return
                    self.done += 1
                    if self.show_unknown:
                        yield Unknown(kind)
                    continue
                if kind in self.forbidden:                # section 15, rule 4
                    raise ProtocolError("type", "type 0x%02x from this role" % kind)
                low, high = SIZES[kind]
                if not low <= length <= high:             # FRAME-008; rule 5
                    raise ProtocolError("size", "type 0x%02x with %d octets" % (kind, length))
                end = pos + HEADER + length
                if end > len(buf):
                    return
                with memoryview(buf) as view:
                    payload = bytes(view[pos + HEADER:end])
                pos = end
                self.done += 1
                yield decode(kind, payload)
        finally:
            del buf[:pos]
