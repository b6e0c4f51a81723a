"""What the frames of a tunnel go through: a TCP connection, or TLS on one (PROTOCOL.md section 31).

Both have what a tunnel uses of a socket that does not block, and `more`: there is something to read that no
readiness of the socket will show; `unsent`: octets that were handed over and wait for the socket."""
import base64
import hashlib
import re
import socket
import ssl

from engine import log

ALPN = "adit/1"              # TLS-002
RECORDS = 256 << 10          # octets encrypted at a time


class Plain:
    cb, binding, owner = bytes(32), 0, None
    more = unsent = False

    def __init__(self, sock):
        self.sock = sock

    def __getattr__(self, name):
        return getattr(self.sock, name)


class Tls(Plain):
    """TLS of either side over two buffers, so that nothing in it waits."""

    binding = 2                                           # binding 1 needs an exporter, which Python's ssl does not have

    def __init__(self, sock, context, certificate=None, host=None):
        super().__init__(sock)
        self.into, self.out, self.unsent = ssl.MemoryBIO(), ssl.MemoryBIO(), bytearray()
        self.tls = context.wrap_bio(self.into, self.out, server_side=host is None, server_hostname=host)
        self.tls.context_of = self
        self.first = bytearray()                          # a server's: what came before the handshake was done
        self.ended, self.more = False, True
        self.certificate = certificate

    @property
    def cb(self):
        """Binding 2."""
        return hashlib.sha256(self.certificate).digest()

    async def handshake(self, loop, check):
        """Raises OSError; `check` may, too, before the last octets of a client have left (TLS-002, TLS-004)."""
        done = False
        while not done:
            try:
                self.tls.do_handshake()
                done = True
                if self.tls.selected_alpn_protocol() != ALPN:
                    raise ssl.SSLError("the peer does not speak %s over TLS" % ALPN)
                check(self)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError:
                if not done:
                    await loop.sock_sendall(self.sock, self.out.read())       # the alert
                raise
            await loop.sock_sendall(self.sock, self.out.read())
            if not done:
                octets = await loop.sock_recv(self.sock, 16384)
                if not octets:
                    raise ConnectionError("the peer ended the TLS handshake")
                self.first += octets
                self.into.write(octets)
        self.first = None

    def decrypted(self):
        parts = []
        try:
            while True:
                parts.append(self.tls.read(65536))
                if not parts[-1]:                         # close_notify
                    self.ended = True
                    break
        except ssl.SSLWantReadError:
            pass
        octets = b"".join(parts)
        self.more = self.ended and bool(octets)
        if self.out.pending:                              # an answer of TLS itself
            try:
                self.push()
            except BlockingIOError:
                if len(self.unsent) > 2 * RECORDS:
                    raise ssl.SSLError("the peer asks and does not read")
        if not octets and not self.ended:
            raise BlockingIOError
        return octets

    def recv(self, size):
        if not self.tls:
            return self.sock.recv(size)                   # nobody will look at it
        if not self.more and not self.ended:
            octets = self.sock.recv(size)
            if not octets:
                return b""                                # TLS-006: with close_notify or without
            self.into.write(octets)
        return self.decrypted()

    def push(self):
        self.unsent += self.out.read()
        while self.unsent:
            del self.unsent[:self.sock.send(self.unsent)]

    def sendmsg(self, parts):
        """Octets that were taken; what the socket does not take of them is `unsent`."""
        self.push()
        took = 0
        for part in parts:
            if took < RECORDS:
                took += self.tls.write(part) if part else 0
        try:
            self.push()
        except BlockingIOError:
            pass
        return took

    def farewell(self):
        """close_notify."""
        if self.tls:
            try:
                self.tls.unwrap()
            except OSError:
                pass
            try:
                self.push()
            except OSError:
                pass
            self.tls, self.unsent = None, bytearray()

    def shutdown(self, how):
        self.farewell()
        self.sock.shutdown(how)

    def close(self):
        self.farewell()
        self.sock.close()


def new_context(protocol, args):
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3      # TLS-001; early data is off (TLS-003)
    context.set_alpn_protocols([ALPN])
    if args.cert:
        context.load_cert_chain(args.cert, args.cert_key)
    return context


class ServerTls:
    def __init__(self, args):
        context = self.context = new_context(ssl.PROTOCOL_TLS_SERVER, args)
        context.num_tickets = 0                           # TLS-009
        context.sni_callback = no_protocol
        with open(args.cert, encoding="latin-1") as file:
            pem = re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", file.read(), re.S)
        self.certificate = ssl.PEM_cert_to_DER_cert(pem[0])
        if args.client_ca:                                # TLS-005
            context.load_verify_locations(args.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED

    async def wrap(self, loop, sock):
        tls = Tls(sock, self.context, self.certificate)
        await tls.handshake(loop, lambda _: None)
        client = tls.tls.getpeercert(True)
        tls.owner = client and pin_of(client)             # section 32, where there is no key
        return tls


def no_protocol(tls, name, context):
    """TLS-008: OpenSSL would go on without a protocol, and Python has no other hook that may send an alert."""
    raw, hello = tls.context_of.first, b""
    while raw:                                            # records: type u8, version u16, length u16
        size = int.from_bytes(raw[3:5], "big")
        hello, raw = hello + raw[5:5 + size], raw[5 + size:]
    if bytes([len(ALPN)]) + ALPN.encode() not in hello:
        log("the next one does not offer %s" % ALPN)
        return 120                                        # no_application_protocol
    return None


class ClientTls:
    """Which server it is, a client knows in one way at least (TLS-004): ca, pin, or key, if it has nothing else."""

    def __init__(self, args):
        context = self.context = new_context(ssl.PROTOCOL_TLS_CLIENT, args)
        self.pins, self.host = args.pin, args.server[0]
        if args.ca:
            context.load_verify_locations(args.ca)
        elif args.pin or args.key:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_default_certs()

    async def wrap(self, loop, sock):
        tls = Tls(sock, self.context, host=self.host)
        await tls.handshake(loop, self.check)
        return tls

    def check(self, tls):
        tls.certificate = tls.tls.getpeercert(True)
        if self.pins and pin_of(tls.certificate) not in self.pins:
            raise ssl.SSLError("the server has another public key than --pin says: its pin is %s" % pin_of(tls.certificate).hex())


def pin_of(certificate):
    """SHA-256 of the SubjectPublicKeyInfo of a certificate in DER."""
    def element(at):
        """Tag, and where the value begins and ends."""
        size, begin = certificate[at + 1], at + 2
        if size >= 128:
            begin += size - 128
            size = int.from_bytes(certificate[at + 2:begin], "big")
        return certificate[at], begin, begin + size
    at = element(element(0)[1])[1]                        # Certificate, TBSCertificate: the first element in that
    if certificate[at] == 0xA0:                           # its version may be missing
        at = element(at)[2]
    for _ in "serial number", "signature", "issuer", "validity", "subject":
        at = element(at)[2]
    return hashlib.sha256(certificate[at:element(at)[2]]).digest()


def pin(text):
    """--pin: in hexadecimal or base64."""
    try:
        octets = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    except ValueError:
        octets = b""
    if len(octets) != 32:
        raise ValueError("a pin is a SHA-256: 64 digits of hexadecimal, or 44 characters of base64")
    return octets
