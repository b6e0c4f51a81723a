"""The Extended profile, sections 23 to 32: what a tunnel has beside engine.Tunnel when both sides said HELLO."""
import asyncio
import os
import socket
import time

import engine
import frames
from auth import SCHEME
from engine import ANSWER, BACKLOG, CONTROL, IDLE, PAYLOAD, PIECE, READ, RETIRED, Tunnel, log
from frames import Ext, ProtocolError

OPENING, OPEN, GONE = "opening", "open", "gone"           # opening is a client's dialing, too
FRESH, CORE, UP = "fresh", "core", "up"                   # fresh: a server's new, a client's offered
GREETED, PROVING = "greeted", "proving"                   # section 30.3

# Section 17.
WINDOW = 256 << 10
GRANT = 512 << 10          # what a WINDOW gives beyond what the local socket took: at least U (WIN-005)
AHEAD = 64 << 10             # WIN-001
MEMORY = 512 << 20           # WIN-008
LINGER = 300.0               # FIN-004
MAX_CONNS = 8192             # XOPEN-012
BYE = 1.0                    # AWAY-009
END = 5.0                    # AWAY-010, AWAY-015

INSTANCE = os.urandom(16)

unwritten = set()            # gone connections whose local socket has not taken everything


async def end_tunnels(tunnels, drain):
    """The end of the process: tunnels, which leave the list when they are lost, drain for that many seconds at most."""
    until = time.monotonic() + drain
    for tunnel in list(tunnels):
        if drain:
            tunnel.leave()
        else:
            tunnel.hang_up()
    while (tunnels or unwritten) and time.monotonic() < until:
        await asyncio.sleep(0.05)
    for tunnel in list(tunnels):
        tunnel.hang_up()
    until = time.monotonic() + END
    while tunnels and time.monotonic() < until:
        await asyncio.sleep(0.05)


class ExtConn:
    """An extended connection; its local socket may outlive it (FIN-004)."""

    def __init__(self, cid, sock, limit):
        self.id, self.sock, self.state = cid, sock, OPENING
        self.limit, self.sent = limit, 0                  # out half
        self.ahead = bytearray()                          # read from the local socket, without credit
        self.eof = self.out_ended = False
        self.granted, self.received, self.taken = WINDOW, 0, 0    # in half
        self.in_ended = self.shut = False
        self.queue = bytearray()
        self.reading = self.writing = self.starved = False
        self.in_line = 0                                  # frames that wait to be sent
        self.took_at = time.monotonic()
        self.timer = self.task = None


class ExtendedTunnel(Tunnel):
    """A tunnel of either role that speaks the Extended profile with peers that do."""

    label = None                                          # a client's name

    def __init__(self, loop, sock, name, forbidden, silence_limit, on_lost, extended, auth=None, bind=None):
        self.phase = FRESH if extended else CORE
        self.extended = extended
        self.auth = auth                                  # a server's keys, a client's key: the side asks for auth
        self.nonce = os.urandom(32)                       # AUTH-014
        self.bind = bind                                  # a server's bindings, what a client publishes
        self.binds = False                                # both have the option bind
        self.agreed = False                               # the peer said HELLO: it understands GOAWAY
        self.xconns, self.xlocals = {}, set()
        self.highest = -1
        self.leaving = 0                                  # gone connections with frames in line
        self.held = 0                                     # octets, WIN-008
        self.credit, self.peer_max = WINDOW, 16384
        self.said = self.heard_drain = self.parting = self.silent = self.over = False
        self.done_timer = None
        super().__init__(loop, sock, name, forbidden, silence_limit, on_lost)
        if extended:
            self.reader.sizes[frames.HELLO] = frames.EXT_SIZES[frames.HELLO]
            if auth:
                self.reader.only = frames.BEFORE_PROOF
                self.reader.sizes.update(frames.BEFORE_PROOF)
                self.read_size = 8192                     # AUTH-017
            if not self.is_server:
                self.reader.sizes[frames.GOAWAY] = frames.EXT_SIZES[frames.GOAWAY]
                self.say_hello()                          # HELLO-001
                if not auth:                              # AUTH-007
                    self.send(frames.keepalive())         # HELLO-011

    # --- the handshake: section 23 ----------------------------------------------------------------

    def auth_value(self, binding, key_id=b""):
        return frames.tlv(frames.TAG_AUTH, bytes([SCHEME, binding]) + self.nonce + key_id)

    def say_hello(self, *values):
        values = [*values, frames.tlv(frames.AGENT, b"python example"), frames.tlv(frames.TAG_WINDOW, WINDOW.to_bytes(4, "big"))]
        if not self.is_server:
            values += [frames.tlv(frames.INSTANCE, INSTANCE), frames.tlv(frames.MAX_CONNECTIONS, MAX_CONNS.to_bytes(4, "big"))]
            if self.label:
                values.append(frames.tlv(frames.NAME, self.label))
            if self.auth:
                values.append(self.auth_value(self.sock.binding, self.auth[0]))
        if self.bind and (self.binds or not self.is_server):
            values.append(frames.tlv(frames.TAG_BIND, b""))
        self.hello = frames.hello(*values)
        self.send(self.hello, ANSWER)

    def greeted(self, frame):
        self.agreed = True
        if self.is_server and (self.phase != FRESH or self.reader.done != 1):
            raise ProtocolError("state", "a HELLO that is not the first frame", "HELLO-003")
        if not self.is_server and self.phase != FRESH:
            raise ProtocolError("state", "a HELLO that answers none", "HELLO-004")
        known = frames.CLIENT_HELLO if self.is_server else frames.SERVER_HELLO
        options = ({frames.TAG_AUTH: None} if self.auth else {}) | ({frames.TAG_BIND: (0,)} if self.bind else {})
        found, critical = frames.parse_tlvs(frame.payload, known | options)
        proven = self.auth and frames.auth_tag(found, self.is_server)
        if any(tag in found for tag in frames.OPTION_TAGS if tag not in options):
            raise ProtocolError("content", "an option that was not offered", "HELLO-005")
        if critical:
            raise ProtocolError("content", "critical tag 0x%04x" % critical, "TLV-003", frames.UNSUPPORTED)
        self.credit = int.from_bytes(found.get(frames.TAG_WINDOW, WINDOW.to_bytes(4, "big")), "big")
        self.binds = frames.TAG_BIND in found
        self.peer_instance, self.peer_name = found.get(frames.INSTANCE), frames.label(found.get(frames.NAME))
        self.peer_max = int.from_bytes(found.get(frames.MAX_CONNECTIONS, b"\x00\x00\x40\x00"), "big")
        if self.auth:
            return self.greeted_with(proven, frame)
        if self.is_server:
            self.say_hello()                              # HELLO-002
        self.up()

    def up(self):
        self.phase = UP
        self.reader.only, self.read_size = None, READ
        self.reader.sizes.update(frames.EXT_SIZES)
        self.reader.forbidden.update(dict.fromkeys(frames.OPTIONS, "HELLO-006"))
        self.reader.forbidden[frames.OPEN if self.is_server else frames.OPENED] = "XOPEN-016"
        if self.auth:
            self.reader.forbidden[frames.AUTH] = "AUTH-025"
        if self.binds:
            self.reader.sizes.update(frames.BIND_SIZES)
            for kind in frames.BIND_SIZES:
                del self.reader.forbidden[kind]
            self.reader.forbidden[frames.BOUND if self.is_server else frames.BIND] = "BIND-018"
        if not self.is_server:
            self.reader.forbidden[frames.REQUEST] = "HELLO-008"
        self.handshake_over()

    def handshake_over(self):
        """The peer's profile is known, or the tunnel is lost."""

    def core_from_now(self):
        self.phase = CORE
        self.reader.sizes.pop(frames.GOAWAY, None)        # section 23: skipped from now on

    # --- frames -----------------------------------------------------------------------------------

    def handle(self, frame):
        if self.parting or self.silent:
            return
        if isinstance(frame, Ext) and frame.type == frames.HELLO:
            return self.greeted(frame)
        if self.phase == UP:
            return self.handle_up(frame)
        if isinstance(frame, Ext) and frame.type == frames.AUTH:
            return self.on_auth(frame.payload)
        if isinstance(frame, Ext):                        # GOAWAY in the place of a server's HELLO
            return self.turned_away(int.from_bytes(frame.payload[:2], "big"))
        if self.phase == FRESH and (self.is_server or isinstance(frame, frames.KeepAlive)):
            self.core_from_now()                          # HELLO-003, HELLO-010
            self.handshake_over()
        super().handle(frame)

    def turned_away(self, code):
        self.lose("the peer ends the tunnel: code %d" % code)

    def handle_up(self, frame):
        kind = type(frame)
        if kind is frames.KeepAlive:
            return super().handle(frame)
        if kind is Ext and frame.id is None:
            if frame.type == frames.PING:
                self.send(frames.pong(frame.payload), ANSWER)     # PING-001
            elif frame.type == frames.GOAWAY:
                self.on_goaway(int.from_bytes(frame.payload[:2], "big"))
            return                                        # PING-002
        if kind is Ext and frame.type in frames.BIND_SIZES:
            return self.on_bind(frame)
        if kind is Ext and frame.type == frames.OPEN:
            return self.on_open(frame)
        critical = 0
        if kind is Ext and frame.type == frames.OPENED:
            _, critical = frames.parse_tlvs(frame.payload, frames.IN_OPENED)
        core = kind is not Ext and kind is not frames.Request
        if frame.id in self.conns:                        # HELLO-009
            if not core:
                raise ProtocolError("state", "an extended frame for a Core connection", "HELLO-009")
            super().handle(frame)
            return self.spare()
        c = self.xconns.get(frame.id)
        if c is None:
            if frame.id > self.highest and kind not in (frames.Close, frames.Response):
                raise ProtocolError("state", "ID %d was never used" % frame.id, "XID-003")
            return                                        # XID-004
        if critical:
            raise ProtocolError("content", "critical tag 0x%04x" % critical, "TLV-003", frames.UNSUPPORTED)
        if kind is frames.Data:
            self.on_ext_data(c, frame.octets)
        elif kind is not Ext:
            raise ProtocolError("state", "Close or ConnectResponse for an extended connection", "XID-005")
        elif frame.type == frames.OPENED:
            if c.state != OPENING:
                raise ProtocolError("state", "OPENED twice", "XOPEN-016")
            self.is_open(c)
        elif frame.type == frames.WINDOW:                 # WIN-003
            c.limit = max(c.limit, int.from_bytes(frame.payload, "big"))
            self.send_ahead(c)
        elif frame.type == frames.FIN:
            self.in_half_flows(c)
            c.in_ended = True
            self.pump(c)
            self.halves(c)
        else:                                             # RESET-002, RESET-003
            self.drop_local(c)
            self.forget(c)

    def in_half_flows(self, c):
        if self.is_server and c.state == OPENING:
            raise ProtocolError("state", "Data or FIN before OPENED", "XOPEN-006")
        if c.in_ended:
            raise ProtocolError("state", "Data or FIN behind FIN", "FIN-003")

    def on_ext_data(self, c, octets):
        self.in_half_flows(c)
        c.received += len(octets)
        if c.received > c.granted:
            raise ProtocolError("state", "Data beyond the limit", "WIN-002", frames.FLOW_CONTROL)
        c.queue += octets
        self.held += len(octets)
        if not c.writing:
            self.pump(c)
        self.spare()

    def spare(self):
        """WIN-008: those that took nothing for longest make room."""
        core = sum(len(c.queue) for c in self.locals)
        while self.held + core > MEMORY:
            worst = min((c for c in self.xlocals | self.locals if c.queue or getattr(c, "ahead", None)), key=lambda c: c.took_at)
            if not isinstance(worst, ExtConn):
                core -= len(worst.queue)
                self.fail(worst)
            elif worst.state == GONE:
                self.drop_local(worst)
            else:
                self.kill(worst, frames.OVER_BUDGET)

    # --- life of an extended connection -----------------------------------------------------------

    def add_ext(self, cid, sock):
        c = ExtConn(cid, sock, self.credit)
        self.highest = max(self.highest, cid)
        self.xconns[cid] = c
        self.xlocals.add(c)
        return c

    def add(self, c):
        self.highest = max(self.highest, c.id)
        super().add(c)

    def is_open(self, c):
        self.set_timer(c, 0, None)
        c.state = OPEN
        self.grant(c)
        self.pump(c)
        self.watch(c)

    def send_of(self, c, octets, kind=CONTROL):
        if not (self.lost or self.parting or self.silent):
            c.in_line += 1
            self.send(octets, kind, c)

    def unqueue(self, item):
        super().unqueue(item)
        c = item[1]
        if isinstance(c, ExtConn):
            c.in_line -= 1
            if c.state == GONE and not c.in_line:
                self.leaving -= 1
                self.check_end()

    def kill(self, c, code):
        """RESET of this side's own: the end on both."""
        self.send_of(c, frames.rst(c.id, code), ANSWER if c.state == OPENING and not self.is_server else CONTROL)
        self.drop_local(c)
        self.forget(c)

    def fail(self, c):
        if not isinstance(c, ExtConn):
            return super().fail(c)
        if c.state == GONE:
            self.drop_local(c)
        else:                                             # XOPEN-009, RESET-001
            self.kill(c, frames.CANCELLED if c.state == OPENING else frames.WAS_RESET)

    def halves(self, c):
        if not (c.in_ended and c.out_ended) or c.state == GONE:
            return
        self.forget(c)
        if c.shut:
            self.drop_local(c, False)
        else:
            unwritten.add(c)
            c.took_at = time.monotonic()
            self.set_timer(c, LINGER, self.lingered)

    def lingered(self, c):
        left = c.took_at + LINGER - time.monotonic()
        if left > 0:
            self.set_timer(c, left, self.lingered)
        else:
            self.drop_local(c)

    def forget(self, c):
        """The connection is over for the tunnel."""
        c.state = GONE
        self.set_timer(c, 0, None)
        self.xconns.pop(c.id, None)
        if c.task:
            c.task.cancel()
        if c.in_line:
            self.leaving += 1
        self.check_end()

    def free(self, c):
        super().free(c)
        self.check_end()

    def retire(self, c):
        super().retire(c)
        self.check_end()

    def grant(self, c):
        """WIN-004, WIN-005: credit for what the local socket took, long before it has to be given."""
        if c.state == OPEN and not c.in_ended and c.granted - c.taken <= GRANT * 3 // 4:
            c.granted = c.taken + GRANT
            self.send_of(c, frames.window(c.id, c.granted))

    def live(self):
        return len(self.xconns) + self.leaving + sum(c.state != RETIRED for c in self.conns.values())

    # --- local sockets ----------------------------------------------------------------------------

    def local_readable(self, c):
        if not isinstance(c, ExtConn):
            return super().local_readable(c)
        if not c.reading:
            return
        if self.out_data >= BACKLOG:
            self.unwatch(c)
            self.starved.append(c)
            return
        try:
            octets = c.sock.recv(min(PIECE, AHEAD - len(c.ahead)))
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            return self.fail(c)
        if octets:
            c.ahead += octets
            self.held += len(octets)
        else:
            c.eof = True
            self.unwatch(c)
        self.send_ahead(c)

    def send_ahead(self, c):
        """What credit there is; then, at the end of the local stream, FIN (FIN-001)."""
        while c.ahead and c.sent < c.limit and c.state != GONE:
            n = min(len(c.ahead), c.limit - c.sent, PIECE)
            self.send_of(c, frames.data(c.id, bytes(c.ahead[:n])), PAYLOAD)
            del c.ahead[:n]
            c.sent += n
            self.held -= n
        if c.eof and not c.ahead and not c.out_ended and c.state != GONE:
            c.out_ended = True
            self.send_of(c, frames.fin(c.id))
            self.halves(c)
        elif len(c.ahead) >= AHEAD:
            self.unwatch(c)
        elif not c.eof and c.state != GONE and c not in self.starved:
            self.watch(c)

    def pump(self, c):
        if not isinstance(c, ExtConn):
            super().pump(c)
            return
        if not c.sock or c.state == OPENING and not self.is_server:
            return
        took = 0
        try:
            while c.queue:
                with memoryview(c.queue) as view, view[:READ] as part:
                    n = c.sock.send(part)
                del c.queue[:n]
                took += n
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            return self.fail(c)
        if took:
            c.taken += took
            self.held -= took
            c.took_at = time.monotonic()
            self.grant(c)
        if bool(c.queue) != c.writing:
            c.writing = bool(c.queue)
            if c.writing:
                self.loop.add_writer(c.sock, self.guard, self.writable, c)
            else:
                self.loop.remove_writer(c.sock)
        if not c.queue and c.in_ended and not c.shut:     # FIN-002
            c.shut = True
            try:
                c.sock.shutdown(socket.SHUT_WR)
            except OSError:
                return self.fail(c)
            if c.state == GONE:
                self.drop_local(c, False)

    def check_pause(self):
        if self.phase == UP:                              # HELLO-009: no pause, memory is what bounds
            self.full.clear()
        super().check_pause()

    def drop_local(self, c, abort=True):
        if isinstance(c, ExtConn):
            self.held -= len(c.queue) + len(c.ahead)
            c.ahead.clear()
            c.queue.clear()
            unwritten.discard(c)
            if c.sock or not c.task:                      # XOPEN-013: a dial counts until it has ended
                self.xlocals.discard(c)
            if c in self.starved:
                self.starved.remove(c)
            if c.sock:
                self.set_timer(c, 0, None)
                self.unwatch(c)
                if c.writing:
                    self.loop.remove_writer(c.sock)
                    c.writing = False
                sock, c.sock = c.sock, None
                if abort:
                    engine.reset(sock)
                else:
                    sock.close()
            return
        super().drop_local(c, abort)

    def on_tick(self, now, dt):
        for c in list(self.xlocals):                      # RESET-001, RESET-005: resets that no reading shows
            if c.sock and c.state != GONE and not c.reading and c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.fail(c)
        super().on_tick(now, dt)

    # --- the end: section 28 ----------------------------------------------------------------------

    def on_goaway(self, code):
        if code != frames.DRAIN:                          # AWAY-010
            self.silent = True
            self.drop_line()
            self.loop.call_later(END, self.lose, "the peer ended the tunnel: code %d" % code)
            return
        first, self.heard_drain = not self.heard_drain, True      # AWAY-007
        if self.is_server:
            self.drain(ANSWER)                            # AWAY-002
        elif first and not self.said:
            self.drained()
        self.check_end()

    def drained(self):
        """A client's: the server drains this tunnel."""

    def drain(self, kind=CONTROL):
        if not self.said:
            self.said = True                              # AWAY-001
            self.send(frames.goaway(frames.DRAIN), kind)
            self.check_end()

    def may_say_done(self):
        return True

    def check_end(self):
        if self.phase != UP or self.lost or self.over or self.parting or self.silent or self.live():
            return
        if not self.is_server:
            if self.heard_drain and self.may_say_done():  # AWAY-013, AWAY-014
                self.part(frames.DONE)
        elif self.said and not self.done_timer:           # AWAY-015
            self.done_timer = self.loop.call_later(END, self.guard, self.part, frames.DONE)

    def part(self, code, text=""):
        """The end that is told: GOAWAY behind everything in line."""
        if self.lost or self.parting or self.silent:
            return
        self.send(frames.goaway(code, text))
        self.parting = True
        self.loop.call_later(END - 0.5, self.lose, "planned end")

    def send(self, octets, kind=CONTROL, cid=None):
        if not (self.parting or self.silent):
            super().send(octets, kind, cid)

    def flush(self):
        super().flush()
        if self.parting and not self.out and not self.sock.unsent and not self.lost:
            self.parted()

    def tunnel_readable(self):
        if not self.parting:
            return super().tunnel_readable()
        try:
            if self.sock.recv(READ):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self.lose("planned end")

    def parted(self):
        """AWAY-009: end the stream, and read for a while."""
        if self.parting != "over":
            self.parting = "over"
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            self.loop.call_later(BYE, self.lose, "planned end")

    def drop_line(self):
        """What is in line is dropped, but for the rest of a frame that was begun."""
        line = list(self.out)
        self.out.clear()
        if self.sent and line:
            self.out.append(line.pop(0))
        for item in line:
            self.unqueue(item)

    def broken(self, error):
        """A tunnel error; a peer that said HELLO is told."""
        if not self.agreed or self.parting or self.silent:
            return super().broken(error)
        log("%s: tunnel error, %s: %s" % (self.name, error.layer, error))
        self.end_now(error.code, error.rule)

    def end_now(self, code, text=""):
        self.end_all()
        self.drop_line()
        self.part(code, text)

    def end_all(self):
        """LOSS-001, for both kinds of connection."""
        self.over = True
        for c in [c for c in self.locals if c.state != IDLE]:
            self.drop_local(c)
        for c in list(self.conns.values()):
            self.free(c)
        for c in list(self.xlocals):
            if c.state != GONE:
                self.drop_local(c)
        for c in list(self.xconns.values()):
            self.drop_local(c)
            self.forget(c)

    def lose(self, reason):
        if not self.lost:
            self.end_all()
            super().lose(reason)

    def leave(self):
        """The process ends: a drain, where there is one."""
        if self.phase == UP:
            self.drain()
        else:
            self.lose("the process ends")

    def hang_up(self):
        """The drain took too long."""
        if self.phase == UP and not self.lost:
            self.end_all()
            self.part(frames.GENERAL)
        else:
            self.lose("the process ends")
