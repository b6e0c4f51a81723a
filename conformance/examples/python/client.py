"""Client: python3 client.py --server HOST:PORT"""
import argparse
import asyncio
import hmac
import ipaddress
import os
import re
import resource
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import auth
import binding
import engine
import frames
import transport
from engine import ANSWER, DIALING, Conn, flag, host_port, log
from extended import FRESH, GONE, GREETED, PROVING, UP, ExtendedTunnel, end_tunnels

DIAL_TIMEOUT = 8.0           # OPEN-012
KEEPALIVE = 15.0             # ALIVE-001
SILENCE = 45.0               # ALIVE-004
REDIAL_MAX = 15.0            # LOSS-003, together with the connect timeout below far under 60 s
SERVER_TIMEOUT = 20.0
MAX_DIALS = 256
MAX_CONNS = 8192

resolvers = ThreadPoolExecutor(16)
WAITS, BOUND, ENDED = "waits", "is bound", "has ended"     # a BIND of this client
LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\Z")


class Failure(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


def check_host(octets):
    """Text of a host that is an address or a valid DNS name, with its address or None (OPEN-009)."""
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError:
        raise Failure(frames.GENERAL)
    try:
        if "%" not in text:
            return text, ipaddress.ip_address(text)
    except ValueError:
        pass
    labels = (text[:-1] if text.endswith(".") else text).split(".")
    if len(text) > 254 or not all(LABEL.match(label) for label in labels):
        raise Failure(frames.GENERAL)
    if labels[-1].isdigit() or labels[-1].lower().startswith("0x"):
        raise Failure(frames.GENERAL)                     # a misspelt address, no name
    return text, None


async def addresses(loop, octets, port, is_ours):
    """Addresses to dial, every one checked against the policy: what is published, and loopback (SEC-001, SEC-002)."""
    text, address = check_host(octets)
    if address:
        found = [address]
    else:
        try:                                              # SEC-003: resolved once, dialled by address
            info = await loop.run_in_executor(resolvers, lambda: socket.getaddrinfo(text, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            raise Failure(frames.NOT_RESOLVED)
        found = [ipaddress.ip_address(row[4][0].partition("%")[0]) for row in info]
    allowed = [a for a in found if is_ours or a.is_loopback]
    if not allowed:
        raise Failure(frames.DENIED)
    return allowed


def status_of(error):
    if isinstance(error, Failure):
        return error.status
    if isinstance(error, ConnectionRefusedError):
        return frames.REFUSED
    if isinstance(error, TimeoutError):                   # ETIMEDOUT, and asyncio's own from 3.11 on
        return frames.TIMED_OUT
    if isinstance(error, OSError) and error.errno in (101, 113):
        return frames.UNREACHABLE
    return frames.GENERAL


async def dial(loop, host, port, is_ours=False):
    """A connected socket, or an exception."""
    error = Failure(frames.GENERAL)
    for address in await addresses(loop, host, port, is_ours):
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        sock = socket.socket(family)
        engine.prepare(sock)
        try:
            await loop.sock_connect(sock, (str(address), port))
            if sock.getsockname()[:2] == sock.getpeername()[:2]:
                raise ConnectionRefusedError("connected to itself")
            return sock
        except OSError as e:
            sock.close()
            error = e
        except BaseException:
            engine.reset(sock)
            raise
    raise error


class ClientTunnel(ExtendedTunnel):
    def __init__(self, loop, sock, name, on_lost, extended, key, made, publications, before=None):
        super().__init__(loop, sock, name, {frames.RESPONSE}, SILENCE, on_lost, extended, key, publications)  # OPEN-011
        self.asked = []                                   # [publication, whether it waits, is bound, or has ended]; bind ID 1 is the first
        self.dials = 0
        self.turn = asyncio.Event()                       # lost, or drained by the server
        self.is_drained = self.followed = self.unwanted = False
        self.before = before                              # it drains, and waits for this one
        if key:                                           # AUTH-009
            self.too_late = loop.call_at(made + auth.HANDSHAKE, self.lose, "no proof in time; does the server know keys?")
        else:
            self.keep_alive(first=True)

    def keep_alive(self, first=False):
        """ALIVE-001; at fixed times from the start of the tunnel."""
        if self.lost:
            return
        if first:
            self.alive_at = self.loop.time()
        else:
            self.send(frames.keepalive())
        self.alive_at += KEEPALIVE - 0.5                  # 15 s is an upper bound
        self.loop.call_at(self.alive_at, self.guard, self.keep_alive)

    def on_other(self, frame):
        if isinstance(frame, frames.KeepAlive):
            return                                        # ALIVE-003
        if frame.id in self.conns:                        # ID-004 (any u32 is an ID: ID-003)
            return self.lose("tunnel error, state: ConnectRequest for ID %d" % frame.id)
        if self.dials >= MAX_DIALS or len(self.conns) >= MAX_CONNS or len(self.locals) >= MAX_CONNS:
            return self.send(frames.response(frame.id, frames.TOO_MANY), ANSWER)
        if frame.port == 0:                               # OPEN-008
            return self.send(frames.response(frame.id, frames.GENERAL), ANSWER)
        host = b"127.0.0.1" if frame.host is None else frame.host     # OPEN-002, OPEN-003
        try:
            check_host(host)
        except Failure as e:                              # OPEN-009
            return self.send(frames.response(frame.id, e.status), ANSWER)
        c = Conn(frame.id, DIALING)
        self.add(c)
        self.dials += 1
        c.task = self.loop.create_task(self.dial(c, host, frame.port))        # OPEN-013
        c.task.add_done_callback(self.dial_over)

    def dial_over(self, _):
        """Called for each dial: a task that is cancelled before it began never runs."""
        self.dials -= 1

    async def dial(self, c, host, port):
        try:
            sock = await asyncio.wait_for(dial(self.loop, host, port), DIAL_TIMEOUT)  # OPEN-012
        except asyncio.CancelledError:
            raise
        except Exception as e:
            if c.state == DIALING:
                log("%s: cannot dial %r port %d: %r" % (self.name, host, port, e))
                self.refuse(c, status_of(e))              # OPEN-006, OPEN-007
            return
        if c.state != DIALING or self.lost:               # cancelled at the last moment
            return engine.reset(sock)
        c.task = None
        c.sock = sock
        self.locals.add(c)
        self.send(frames.response(c.id, frames.OK))       # OPEN-005, OPEN-017
        self.guard(self.opened, c)

    # --- extended ---------------------------------------------------------------------------------

    def on_open(self, frame):
        tags, critical = frames.parse_tlvs(frame.payload, frames.IN_OPEN)
        if frame.id <= self.highest:
            raise frames.ProtocolError("state", "ID %d is not above %d" % (frame.id, self.highest), "XID-002")
        code = self.refusal(tags, critical)
        if code:
            self.highest = frame.id
            return self.send(frames.rst(frame.id, code), ANSWER)
        c = self.add_ext(frame.id, None)
        self.dials += 1
        p = self.published(tags)
        host, port = (p.host, p.port) if p else (tags.get(frames.HOST, b"127.0.0.1"), int.from_bytes(tags[frames.PORT], "big"))
        c.task = self.loop.create_task(self.dial_ext(c, host, port, bool(p)))
        c.task.add_done_callback(lambda _: self.ext_dial_over(c))

    def ext_dial_over(self, c):
        self.dials -= 1
        if c.sock is None and (c.state == GONE or self.lost):
            self.xlocals.discard(c)                       # XOPEN-013: the dial has really ended

    def published(self, tags):
        """BIND-010."""
        return next((p for p in self.bind or () if p.service == tags.get(frames.SERVICE)), None)

    def refusal(self, tags, critical):
        """XOPEN-005, XOPEN-012; 0 for an OPEN that can be served."""
        port = int.from_bytes(tags.get(frames.PORT, b""), "big")
        if critical or tags.get(frames.NETWORK, b"\x01") != b"\x01":
            return frames.UNSUPPORTED
        if frames.SERVICE in tags and frames.PORT not in tags and frames.HOST not in tags:
            if not self.published(tags):
                return frames.NO_SERVICE
        elif frames.SERVICE in tags or not port:
            return frames.GENERAL
        if self.dials >= MAX_DIALS or len(self.conns) + len(self.xlocals) >= MAX_CONNS:
            return frames.TOO_MANY
        try:
            check_host(tags.get(frames.HOST, b"127.0.0.1"))
        except Failure as e:
            return e.status
        return 0

    async def dial_ext(self, c, host, port, is_ours):
        sock, code = None, 0
        try:
            sock = await asyncio.wait_for(dial(self.loop, host, port, is_ours), DIAL_TIMEOUT)
        except asyncio.CancelledError:
            pass                                          # XOPEN-010
        except Exception as e:
            code = status_of(e)
            log("%s: cannot dial %r port %d: %r" % (self.name, host, port, e))
        c.task = None
        if c.state == GONE or self.lost:
            if sock:
                engine.reset(sock)
            return
        if code:
            return self.guard(self.kill, c, code)
        c.sock = sock
        self.send_of(c, frames.opened(c.id), ANSWER)       # XOPEN-004, XOPEN-006
        self.guard(self.is_open, c)

    # --- authentication: section 30 ---------------------------------------------------------------

    def greeted_with(self, theirs, frame):
        if not theirs:
            raise frames.ProtocolError("content", "the server does not ask for a key, and this client has one", "AUTH-019")
        if theirs[0] != self.sock.binding:
            raise frames.ProtocolError("content", "the server has binding %d, not %d" % (theirs[0], self.sock.binding), "AUTH-022")
        self.expected, self.proof = auth.proofs(self.auth[1], self.sock.cb, self.hello, frames.whole_hello(frame.payload))
        self.phase = GREETED

    def on_auth(self, proof):
        if self.phase == GREETED and proof:
            if not hmac.compare_digest(self.expected, proof):     # AUTH-004: not even GOAWAY
                self.unwanted = True
                return self.lose("the server does not have this key, ID and secret, or it is another server")
            self.send(frames.auth(self.proof), ANSWER)
            self.phase = PROVING
        elif self.phase == PROVING and not proof:
            self.too_late.cancel()
            self.up()
            self.keep_alive(first=True)
        else:
            raise frames.ProtocolError("state", "AUTH of %d octets in state %s" % (len(proof), self.phase), "AUTH-025")

    def broken(self, error):
        if self.phase == FRESH and error.rule == "AUTH-007":
            log("%s: the server speaks Core, and this client has a key: start the server with --keys" % self.name)
        super().broken(error)

    # --- bindings: section 32 ---------------------------------------------------------------------

    def ask(self, publication):
        if not (self.lost or self.parting or self.silent or self.said or self.heard_drain):
            self.asked.append([publication, WAITS])
            self.send(frames.bind(len(self.asked), publication.service, publication.number))

    def ask_later(self, publication):
        self.loop.call_later(binding.AGAIN, self.guard, self.ask, publication)

    def on_bind(self, frame):
        code = int.from_bytes(frame.payload[:2], "big")
        tags, critical = frames.parse_tlvs(frame.payload[2:], frames.IN_BOUND) if frame.type == frames.BOUND else ({}, 0)
        p, state = self.asked[frame.id - 1] if 0 < frame.id <= len(self.asked) else (None, None)
        if not p or (state == WAITS) != (frame.type == frames.BOUND):
            raise frames.ProtocolError("state", "BOUND or UNBIND for bind ID %d, which does not wait for it" % frame.id, "BIND-011")
        if critical:
            raise frames.ProtocolError("content", "critical tag 0x%04x" % critical, "BIND-011", frames.UNSUPPORTED)
        if frame.type == frames.BOUND and code == frames.OK:
            self.asked[frame.id - 1][1] = BOUND
            if frames.PORT in tags:
                p.number = int.from_bytes(tags[frames.PORT], "big")       # BIND-009
            return log("%s: %s is published%s" % (self.name, p, " at port %d of the server" % p.number if p.number else ""))
        self.asked[frame.id - 1][1] = ENDED
        if state == ENDED:
            return
        log("%s: %s is not published: code %d %s" % (self.name, p, code, tags.get(frames.TEXT, b"")[:256].decode("latin-1")))
        if frame.type == frames.UNBIND:
            if code not in (frames.REPLACED, frames.DENIED):      # BIND-015
                self.ask_later(p)
        elif code == frames.IN_USE and p.asked == 0 and p.number:
            p.number = 0                                  # BIND-009
            self.ask(p)
        elif code in (frames.IN_USE, frames.TOO_MANY):    # BIND-012
            self.ask_later(p)

    def core_from_now(self):
        super().core_from_now()
        if self.bind:                                     # HELLO-010
            self.unwanted = True
            self.lose("the server speaks Core, and cannot publish anything")

    def up(self):
        super().up()
        if self.bind and not self.binds:
            log("%s: the server gives no ports: start it with --bind-range" % self.name)
            self.unwanted = True
            self.part(frames.UNSUPPORTED)
        for p in self.bind or ():
            self.ask(p)

    def handshake_over(self):
        if self.before:                                   # AWAY-013
            self.before.followed = True
            self.before.check_end()
            self.before = None

    def turned_away(self, code):
        self.unwanted = code in (frames.DENIED, frames.UNSUPPORTED)
        super().turned_away(code)

    def drained(self):
        self.is_drained = True
        self.turn.set()

    def may_say_done(self):
        return self.followed or not self.is_drained

    def lose(self, reason):
        super().lose(reason)
        self.handshake_over()
        self.turn.set()

    def refuse(self, c, status):
        """The one answer to a request (OPEN-004); a failure frees the ID."""
        self.free(c)
        self.send(frames.response(c.id, status))

    def fail(self, c):
        if c.state == DIALING:                            # OPEN-019, OPEN-024
            c.task.cancel()
            self.refuse(c, frames.GENERAL)
        else:
            super().fail(c)

    def free(self, c):
        if c.state == DIALING and c.task:                 # also on the loss of the tunnel
            c.task.cancel()
        super().free(c)


async def connect(loop, host, port):
    info = await loop.run_in_executor(resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    error = OSError("no address")
    for family, kind, proto, _, address in info:
        sock = socket.socket(family, kind, proto)
        sock.setblocking(False)
        try:
            await loop.sock_connect(sock, address)
            if sock.getsockname() == sock.getpeername():
                raise ConnectionRefusedError("connected to itself")
            return sock
        except OSError as e:
            sock.close()
            error = e
        except BaseException:
            sock.close()
            raise
    raise error


class Client:
    def __init__(self, loop, server, extended, key, tls, publications):
        self.publications = publications
        self.loop, self.server, self.extended, self.key, self.tls = loop, server, extended, key, tls
        self.tunnels = []

    async def encrypt(self, sock):
        try:
            return await asyncio.wait_for(self.tls.wrap(self.loop, sock), auth.HANDSHAKE)
        except BaseException:
            sock.close()
            raise

    async def forever(self):
        """LOSS-003: never stop trying."""
        delay, at_once, before = 0.5, -60.0, None
        while True:
            tunnel, began = None, self.loop.time()
            try:
                sock = await asyncio.wait_for(connect(self.loop, *self.server), SERVER_TIMEOUT)
                made = self.loop.time()
                sock = await self.encrypt(sock) if self.tls else transport.Plain(sock)
                tunnel = ClientTunnel(self.loop, sock, "%s:%d" % self.server, self.tunnels.remove, self.extended, self.key, made,
                                      self.publications, before)
                self.tunnels.append(tunnel)
            except Exception as e:
                log("no tunnel: %r" % e)
                if before:                                # no next one is under way
                    before.followed = True
                    before.check_end()
            before = None
            if tunnel:
                log("%s: tunnel begins" % tunnel.name)
                await tunnel.turn.wait()
                if tunnel.unwanted:                       # section 23: 30 to 60 s after the beginning
                    await asyncio.sleep(max(0, began + 35 - self.loop.time()))
                if self.loop.time() - began > 10:
                    delay = 0.5
                if tunnel.is_drained:
                    before = tunnel
                    if self.loop.time() - at_once >= 60:  # AWAY-005, AWAY-006
                        at_once = self.loop.time()
                        continue
            await asyncio.sleep(delay)
            delay = min(delay * 2, REDIAL_MAX)


def name(text):
    if not frames.label(text.encode()):
        raise ValueError("a name has 1 to 63 of a to z, 0 to 9 and -")
    return text.encode()


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", type=host_port, required=True, metavar="HOST:PORT")
    parser.add_argument("--extended", action="store_true", help="speak the Extended profile if the server does")
    parser.add_argument("--drain", type=float, default=0, metavar="SECONDS", help="let open connections end by themselves for that long")
    parser.add_argument("--key", type=flag(auth.parse_key), metavar="LINE", default=os.environ.get("ADIT_KEY"),
                        help="speak only with a server that has this key; better set ADIT_KEY, which no list of processes shows")
    parser.add_argument("--tls", action="store_true", help="encrypt the tunnel")
    parser.add_argument("--ca", metavar="FILE", help="with --tls: who may vouch for the server (PEM); else, without pin and key, those of the system")
    parser.add_argument("--pin", type=flag(transport.pin), action="append", metavar="SHA-256", help="with --tls: public key of the server, hexadecimal or base64")
    parser.add_argument("--cert", metavar="FILE", help="with --tls: this client's own certificate (PEM)")
    parser.add_argument("--cert-key", metavar="FILE", help="its private key, if that is not in the same file")
    parser.add_argument("--name", type=flag(name), metavar="LABEL", help="tell the server who this is; clients of one key with other names never take each other's ports")
    parser.add_argument("--publish", type=flag(binding.Publication), action="append", metavar="[PORT=|NAME=][HOST:]PORT",
                        help="ask the server for this port (0: any), or tell it this name, and lead its visitors to HOST:PORT; PORT alone is both")
    args = parser.parse_args()
    if not args.tls and (args.ca or args.pin or args.cert):
        parser.error("--ca, --pin and --cert need --tls")
    try:
        tls = args.tls and transport.ClientTls(args)
    except (OSError, ValueError) as e:
        parser.error("a certificate or its key cannot be read: %s" % e)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    ClientTunnel.label = args.name
    client = Client(loop, args.server, args.extended or args.key or args.publish, args.key, tls, args.publish)
    task = asyncio.create_task(client.forever())
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        pass
    await end_tunnels(client.tunnels, args.drain)


if __name__ == "__main__":
    asyncio.run(main())
