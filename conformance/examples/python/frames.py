"""Frames of the tunnel protocol: encoders and an incremental reader (PROTOCOL.md sections 4 to 6, and 24)."""
import random
import re
import socket
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

# The Extended profile, section 24: a tunnel has these types once both sides are up, and none before but HELLO.
HELLO, WINDOW, FIN, RESET, OPEN, GOAWAY, PING, PONG, OPENED = 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1D
AUTH, BIND, BOUND, UNBIND = 0x19, 0x1A, 0x1B, 0x1C
OPTIONS = (0x15, AUTH, BIND, BOUND, UNBIND, 0x1E)
GREASE = (0x2A, 0x3A)
EXT_SIZES = {HELLO: (0, 4096), WINDOW: (12, 12), FIN: (4, 4), RESET: (6, 262), OPEN: (4, 4096), GOAWAY: (2, 258),
             PING: (8, 8), PONG: (8, 8), OPENED: (4, 4096)}
BIND_SIZES = {BIND: (4, 4096), BOUND: (6, 4096), UNBIND: (6, 6)}             # section 32
HELLO_SIZE = 4096                         # AUTH-015: what a payload may have before the proofs
BEFORE_PROOF = {HELLO: (0, HELLO_SIZE), AUTH: (0, 32), GOAWAY: (2, 258)}      # AUTH-007; AUTH is checked in full below

# Codes of section 29 that this peer sends; 1 to 7 are the statuses above.
UNSUPPORTED, NO_SERVICE, WAS_RESET, CANCELLED, OVER_BUDGET = 0x08, 0x09, 0x10, 0x11, 0x13
IN_USE = 0x0A
DRAIN, DONE, PROTOCOL, FLOW_CONTROL, DEAD, REPLACED = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25

# Tags of section 24.
AGENT, NAME, INSTANCE, TAG_WINDOW, MAX_CONNECTIONS = 1, 2, 3, 4, 5
TAG_AUTH, TAG_BIND = 0x10, 0x12
OPTION_TAGS = (TAG_AUTH, 0x11, TAG_BIND, 0x13)
NETWORK, HOST, PORT, SERVICE, ORIGIN, LOCAL, TEXT = 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26

# Which tags a frame knows, and the sizes that they may have; none: any.
CLIENT_HELLO = {AGENT: None, NAME: None, INSTANCE: (16,), TAG_WINDOW: (4,), MAX_CONNECTIONS: (4,)}
SERVER_HELLO = {AGENT: None, TAG_WINDOW: (4,), **dict.fromkeys(OPTION_TAGS)}
IN_OPEN = {NETWORK: (1,), HOST: None, PORT: (2,), SERVICE: None, ORIGIN: (6, 18), LOCAL: (6, 18)}
IN_OPENED = {}
IN_BIND = {NETWORK: (1,), PORT: (2,), SERVICE: None}
IN_BOUND = {PORT: (2,), TEXT: None}

_header = struct.Struct(">BBI")
_u32 = struct.Struct(">I")
_request = struct.Struct(">IH")
_response = struct.Struct(">IB")


class ProtocolError(Exception):
    """What section 15 calls a tunnel error; `layer` is the check that noticed, `code` and `rule` are for the GOAWAY."""

    def __init__(self, layer, text, rule="", code=0x22):
        super().__init__(text)
        self.layer, self.rule, self.code = layer, rule, code


# host is None for the short form, octets for the addressed one.
Request = namedtuple("Request", "id port host")
Response = namedtuple("Response", "id status")
Data = namedtuple("Data", "id octets")
Close = namedtuple("Close", "id")
KeepAlive = namedtuple("KeepAlive", "")
Ext = namedtuple("Ext", "type id payload")      # of the Extended profile; payload is what is behind the ID, which some have
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


def tlv(tag, value):
    return struct.pack(">HH", tag, len(value)) + value


def address(tag, name):
    """A tag for an address and port: IPv4 in 4 + 2 octets, on whatever socket it came."""
    host, port = name[:2]
    host = host.partition("%")[0]
    if host.startswith("::ffff:") and "." in host:
        host = host[7:]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return tlv(tag, socket.inet_pton(family, host) + struct.pack(">H", port))


def tlvs(*values):
    """Octets of TLVs, among them a grease tag in one of four (TLV-004)."""
    values = list(values)
    if random.randrange(4) == 0:
        n = random.randrange(7)
        values.insert(random.randrange(len(values) + 1), tlv(n << 12 | 0x0A00 | n << 4 | 0x0A, random.randbytes(random.randrange(33))))
    return b"".join(values)


def parse_tlvs(octets, known):
    """The known tags of a payload, and an unknown critical one or 0 (TLV-001, TLV-002)."""
    found, critical, pos = {}, 0, 0
    while pos < len(octets):
        if pos + 4 > len(octets):
            raise ProtocolError("size", "a TLV is cut off", "TLV-001")
        tag, length = struct.unpack_from(">HH", octets, pos)
        value = octets[pos + 4:pos + 4 + length]
        pos += 4 + length
        if len(value) < length:
            raise ProtocolError("size", "a TLV is cut off", "TLV-001")
        if tag not in known:
            critical = critical or (tag if tag >= 0x8000 else 0)
        elif tag in found or known[tag] and length not in known[tag]:
            raise ProtocolError("size", "tag 0x%04x twice, or with %d octets" % (tag, length), "TLV-001")
        else:
            found[tag] = value
    return found, critical


def label(octets):
    """None for what is no label (TLV-005)."""
    return octets if octets and re.fullmatch(rb"[a-z0-9-]{1,63}", octets) else None


def hello(*values):
    return _frame(HELLO, tlvs(*values))


def window(cid, limit):
    return _frame(WINDOW, struct.pack(">IQ", cid, limit))


def fin(cid):
    return _frame(FIN, _u32.pack(cid))


def rst(cid, code):
    return _frame(RESET, struct.pack(">IH", cid, code))


def open_(cid, *values):
    return _frame(OPEN, _u32.pack(cid) + tlvs(*values))


def opened(cid):
    return _frame(OPENED, _u32.pack(cid) + tlvs())


def goaway(code, text=""):
    return _frame(GOAWAY, struct.pack(">H", code) + text.encode("ascii"))


def port_tag(port):
    return tlv(PORT, port.to_bytes(2, "big"))


def bind(bid, service, port):
    return _frame(BIND, _u32.pack(bid) + tlvs(tlv(SERVICE, service), *([] if port is None else [port_tag(port)])))


def bound(bid, code, port=None, text=""):
    values = ([] if port is None else [port_tag(port)]) + ([tlv(TEXT, text.encode("ascii"))] if text else [])
    return _frame(BOUND, struct.pack(">IH", bid, code) + tlvs(*values))


def unbind(bid, code):
    return _frame(UNBIND, struct.pack(">IH", bid, code))


def ping(mark):
    return _frame(PING, mark)


def pong(mark):
    return _frame(PONG, mark)


def auth(proof=b""):
    return _frame(AUTH, proof)


def whole_hello(payload):
    """The frame that had this payload, for the proofs."""
    return _frame(HELLO, payload)


def auth_tag(found, is_server):
    """What the tag auth of a peer's HELLO says: binding, nonce, key ID; None where there is none of scheme 1 (AUTH-013)."""
    value = found.get(TAG_AUTH)
    if value is None or value[:1] not in (b"", b"\1"):
        return None
    if not (35 <= len(value) <= 98 if is_server else len(value) == 34):
        raise ProtocolError("size", "tag auth with %d octets" % len(value), "AUTH-013")
    return value[1], value[2:34], value[34:]


def decode(kind, payload):
    """One known frame from its payload, whose size was checked against SIZES or EXT_SIZES."""
    if kind in EXT_SIZES or kind in BIND_SIZES or kind == AUTH:
        if kind == AUTH and len(payload) not in (0, 32):
            raise ProtocolError("size", "AUTH with %d octets" % len(payload), "FRAME-008")
        if kind in (HELLO, GOAWAY, PING, PONG, AUTH):
            return Ext(kind, None, payload)
        return Ext(kind, _u32.unpack_from(payload)[0], payload[4:])
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
        self.forbidden = dict.fromkeys(forbidden, "")     # types that the peer never sends, by rule (OPEN-010, OPEN-011)
        self.sizes = dict(SIZES)          # types that are not skipped
        self.only = None                  # types that may come at all, before the proofs (AUTH-007)
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

    def begun(self):
        """The ID of a Data frame that is begun and not complete."""
        if len(self.buf) >= HEADER + 4 and self.buf[1] == DATA:
            return _u32.unpack_from(self.buf, HEADER)[0]
        return None

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
                if self.only and length > HELLO_SIZE:
                    raise ProtocolError("length", "length %d before the proofs" % length, "AUTH-015")
                if self.only and kind not in self.only:
                    raise ProtocolError("type", "type 0x%02x before the proofs" % kind, "AUTH-007")
                if kind in self.forbidden:                # section 15, rule 4
                    raise ProtocolError("type", "type 0x%02x from this role" % kind, self.forbidden[kind])
                if kind == HELLO and kind in self.sizes and length > 4096:
                    raise ProtocolError("length", "HELLO of %d octets" % length, "HELLO-012")
                if kind not in self.sizes:                # FRAME-007, HELLO-007
                    here = min(length, have - HEADER)
                    pos += HEADER + here
                    self.skip, self.skipped, self.skip_type = length - here, HEADER + here, kind
                    if self.skip:
                        return
                    self.done += 1
                    if self.show_unknown:
                        yield Unknown(kind)
                    continue
                low, high = self.sizes[kind]
                if not low <= length <= high:             # FRAME-008; rule 5
                    raise ProtocolError("size", "type 0x%02x with %d octets" % (kind, length), "FRAME-008")
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
