"""One tunnel and its connections: what server and client have in common (PROTOCOL.md sections 7 to 17).

Everything runs in one asyncio loop on non-blocking sockets, so that reset, orderly end, pauses and the
hand-over of octets to the transport are under exact control. An ID that is not in Tunnel.conns is idle."""
import argparse
import asyncio
import socket
import struct
import sys
import time
from collections import deque

import frames

REQUESTED, DIALING, ABANDONED, OPEN, CLOSING, DRAINING, RETIRED, IDLE = (
    "requested", "dialing", "abandoned", "open", "closing", "draining", "retired", "idle")

# Section 17.
QUEUE = 1 << 20              # FLOW-001: full from here on; one read beyond it is at most 1.25 MiB more
CLOSE_DRAIN = 5.0            # CLOSE-005
CLOSE_DISCARD = 1 << 20      # CLOSE-005
CLOSE_TOTAL = 30.0           # CLOSE-004
CLOSE_STALL = 30.0           # CLOSE-006
CLOSE_MOST = 300.0           # CLOSE-012
CLOSE_WAIT = 60.0            # CLOSE-009
STALL_LIMIT = 5.0            # FLOW-002
STALL_BUDGET = 10.0          # FLOW-003
STALL_WINDOW = 15.0          # FLOW-003
PAUSE_SIGN = 15.0            # FLOW-008
OTHERS_GO_ON = 20.0          # FLOW-004, with a margin to 30 s
FRAME_PROGRESS = 60.0        # FRAME-011
OWED = 256 << 10             # FLOW-006
RETIRED_MAX = 65536          # CLOSE-011

TICK = 0.25
READ = 256 << 10             # one read of the tunnel
PIECE = (64 << 10) - 4       # octets of one Data frame: FRAME-010 obeyed always
BACKLOG = 256 << 10          # unsent octets of Data above which local sockets are not read
HOLD = 64 << 10              # octets held of a visitor whose request is pending
RATE_SPAN = 5.0              # FRAME-011: the rate is measured over the latest 5 s

CONTROL, ANSWER, PAYLOAD = range(3)     # kinds of outgoing items


def log(text):
    print(ascii(text)[1:-1], file=sys.stderr, flush=True)     # SEC-005: nothing raw reaches the log


def reset(sock):
    """Abort: the peer sees RST (section 1, verbs)."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    sock.close()


def prepare(sock):
    sock.setblocking(False)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        pass


def host_port(text):
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def flag(read):
    """For argparse, which keeps the message of its own exception alone."""
    def checked(text):
        try:
            return read(text)
        except (OSError, ValueError) as e:
            raise argparse.ArgumentTypeError(e)
    return checked


class Conn:
    """A connection: the state of its ID, and its local socket, which may outlive the ID (section 10)."""

    def __init__(self, cid, state, sock=None):
        self.id = cid
        self.state = state
        self.sock = sock
        self.queue = bytearray()      # queued octets, towards the local socket
        self.held = bytearray()       # visitor's octets before the response (OPEN-020)
        self.eof = False              # the local peer ended its stream
        self.shut = False             # own write side shut down
        self.reading = False
        self.writing = False
        self.took = 0.0               # pause clock when the local socket last took octets
        self.took_at = 0.0            # the same by the clock, for who counts memory
        self.first = 0.0              # when the first Close passed, or the local socket took octets after that
        self.most = 0.0               # when close-most passes
        self.discarded = 0            # octets of the local peer that went nowhere
        self.timer = None             # connect-timeout, dial-timeout, close-stall, close-drain
        self.wait = None              # close-total, close-wait
        self.task = None              # a client's dial


class Tunnel:
    is_server = False
    read_size = READ

    def __init__(self, loop, sock, name, forbidden, silence_limit, on_lost):
        self.loop, self.sock, self.name = loop, sock, name
        self.silence_limit, self.on_lost = silence_limit, on_lost
        self.reader = frames.Reader(forbidden)
        self.conns = {}               # LOSS-005: every ID is idle on a new tunnel
        self.locals = set()           # connections that have a local socket, idle ID or not
        self.lost = False
        self.retired = 0
        # outgoing
        self.out = deque()            # items [kind, id, octets]
        self.sent = 0                 # octets of out[0] already handed over
        self.out_data = self.owed = 0
        self.out_watch = self.flush_soon = False
        self.sent_at = time.monotonic()
        self.starved = deque()        # connections not read because out_data is at its bound
        # incoming
        self.full = set()             # open connections whose queue is full
        self.paused = False
        self.pause_began = self.pause_clock = 0.0
        self.pauses = deque()         # (begin, end) of earlier pauses
        self.silence = 0.0
        self.heard = time.monotonic() # when octets came last
        self.frame_age = None         # reading time since the frame in progress began; None: there is none
        self.frame_done = 0
        self.frame_marks = deque()    # (age, octets)
        prepare(sock)
        self.listen()
        self.ticker = loop.create_task(self.tick())

    # --- the tunnel itself ------------------------------------------------------------------------

    def guard(self, function, *args):
        """ERR-003: whatever fails inside one tunnel ends that tunnel alone."""
        try:
            function(*args)
        except Exception as e:
            self.lose("internal error %r" % e)

    def listen(self):
        self.loop.add_reader(self.sock, self.guard, self.tunnel_readable)
        self.read_more()

    def read_more(self):
        if self.sock.more:                                # TLS has it already
            self.loop.call_soon(self.guard, self.tunnel_readable)

    def tunnel_readable(self):
        if self.lost or self.paused:
            return
        try:
            chunk = self.sock.recv(self.read_size)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as e:
            return self.lose(str(e))                      # TUN-002
        if not chunk:
            return self.lose("end of stream")             # TUN-002
        self.silence, self.heard = 0.0, time.monotonic()
        try:
            for frame in self.reader.feed(chunk):         # ORDER-001
                self.handle(frame)
                if self.lost:
                    return
        except frames.ProtocolError as e:                 # ERR-001
            return self.broken(e)
        self.check_pause()
        self.read_more()

    def broken(self, error):
        self.lose("tunnel error, %s: %s" % (error.layer, error))

    def handle(self, frame):
        if isinstance(frame, frames.Data):
            self.on_data(frame)
        elif isinstance(frame, frames.Close):
            self.on_close(frame.id)
        else:
            self.on_other(frame)                          # by role

    def lose(self, reason):
        """Section 14, for errors and ends alike."""
        if self.lost:
            return
        self.flush()                                      # answers already owed, if the transport takes them
        self.lost = True
        log("%s: tunnel lost: %s" % (self.name, reason))
        for c in list(self.locals):                       # LOSS-001, LOSS-002
            if c.state != IDLE:                           # CLOSE-012: what lingers goes on
                self.drop_local(c)
        for c in list(self.conns.values()):
            self.free(c)
        self.ticker.cancel()
        self.loop.remove_reader(self.sock)
        self.loop.remove_writer(self.sock)
        try:                                              # unread octets would turn the end into a reset
            for _ in range(16):
                if not self.sock.recv(READ):
                    break
        except OSError:
            pass
        self.sock.close()
        self.out.clear()
        self.on_lost(self)

    async def tick(self):
        last = time.monotonic()
        while not self.lost:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self.guard(self.on_tick, now, min(now - last, 1.0))   # time in which we ourselves stood still is nobody's
            last = now

    def on_tick(self, now, dt):
        for c in list(self.locals):                       # OPEN-023: a reset behind octets that we hold
            if c.state == REQUESTED and not c.reading and c.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.fail(c)
        # What began since the last tick has its own time: a timer that is a tick early breaks "not before".
        if self.paused:                                   # ALIVE-007: no silence is counted here
            if self.is_server and now - self.sent_at >= PAUSE_SIGN:       # FLOW-008
                self.sent_at = now
                self.send(frames.data(next(iter(self.full)).id, b""))
            waiting = sum(c.state in (REQUESTED, DIALING, OPEN) for c in self.conns.values())
            if waiting <= 1:                              # alone: nothing counts
                self.pause_began = now
                for c in self.full:
                    c.took = self.pause_clock
                return
            self.pause_clock += min(dt, now - self.pause_began)
            return self.judge_pause(now)
        self.silence += min(dt, now - self.heard)
        if self.silence >= self.silence_limit:            # ALIVE-004, ALIVE-006
            return self.lose("silent for %.0f s" % self.silence)
        self.judge_frame(now, dt)

    def judge_frame(self, now, dt):
        """FRAME-011."""
        if not self.reader.rest:
            self.frame_age = None
            return
        marks = self.frame_marks
        if self.frame_age is None or self.reader.done != self.frame_done:
            self.frame_done, self.frame_age = self.reader.done, min(dt, now - self.heard)
            marks.clear()
        else:
            self.frame_age += dt
        marks.append((self.frame_age, self.reader.rest))
        while len(marks) > 1 and marks[1][0] <= self.frame_age - RATE_SPAN:
            marks.popleft()
        if self.frame_age >= FRAME_PROGRESS and self.reader.rest - marks[0][1] < 1024 * RATE_SPAN:
            self.lose("a frame makes no progress")

    # --- pauses: section 12 -----------------------------------------------------------------------

    def check_pause(self):
        if self.lost or self.paused == bool(self.full):
            return
        if self.full:
            self.paused = True
            self.pause_began = time.monotonic()
            for c in self.locals:
                c.took = self.pause_clock
            self.loop.remove_reader(self.sock)
        else:
            self.paused = False
            self.pauses.append((self.pause_began, time.monotonic()))
            self.listen()

    def judge_pause(self, now):
        for c in list(self.locals):                       # FLOW-002
            if len(c.queue) >= QUEUE and self.pause_clock - c.took >= STALL_LIMIT:
                log("%s: connection %d stalls" % (self.name, c.id))
                self.fail(c)
        if not self.paused:
            return
        start = now - STALL_WINDOW
        while self.pauses and self.pauses[0][1] <= start:
            self.pauses.popleft()
        total = now - max(start, self.pause_began) + sum(e - max(start, b) for b, e in self.pauses)
        if total > STALL_BUDGET:                          # FLOW-003
            worst = max(self.full, key=lambda c: len(c.queue))
            log("%s: connection %d is too slow" % (self.name, worst.id))
            self.pauses.clear()
            began, self.pause_began = self.pause_began, now
            self.standstill = getattr(self, "standstill", 0.0) + now - began
            self.fail(worst)
            if self.paused and self.standstill >= OTHERS_GO_ON - STALL_BUDGET / 4:      # FLOW-004
                for c in list(self.full):
                    self.fail(c)
            if not self.paused:
                self.standstill = 0.0

    # --- sending ----------------------------------------------------------------------------------

    def send(self, octets, kind=CONTROL, cid=None):
        if self.lost:
            return
        self.out.append((kind, cid, octets))
        if kind == PAYLOAD:
            self.out_data += len(octets)
        elif kind == ANSWER:
            self.owed += len(octets)
        if not self.flush_soon and not self.out_watch:
            self.flush_soon = True
            self.loop.call_soon(self.guard, self.flush)
        if self.owed > OWED:                              # FLOW-006
            self.flush()
            if self.owed > OWED:
                self.lose("the peer asks and does not read")

    def answer_close(self, cid):
        """DATA-004; one Close for a run of Data, as long as that Close has not left."""
        if self.out and not (len(self.out) == 1 and self.sent) and self.out[-1][:2] == (ANSWER, cid):
            return
        self.send(frames.close(cid), ANSWER, cid)

    def flush(self):
        """Hand over what the transport takes. Reading goes on meanwhile (FLOW-005)."""
        self.flush_soon = False
        out = self.out
        while (out or self.sock.unsent) and not self.lost:
            batch = [out[i][2] for i in range(min(len(out), 32))]
            if batch:
                batch[0] = memoryview(batch[0])[self.sent:]
            try:
                n = self.sock.sendmsg(batch)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as e:
                out.clear()
                return self.lose(str(e))                  # TUN-002
            self.sent_at = time.monotonic()
            n += self.sent
            while out and n >= len(out[0][2]):
                self.unqueue(out[0])
                n -= len(out[0][2])
                out.popleft()
            self.sent = n
        if self.lost:
            return
        if bool(out or self.sock.unsent) != self.out_watch:
            self.out_watch = not self.out_watch
            if self.out_watch:
                self.loop.add_writer(self.sock, self.guard, self.flush)
            else:
                self.loop.remove_writer(self.sock)
        while self.starved and self.out_data < BACKLOG:
            self.starved, again = deque(), self.starved
            for c in again:
                self.watch(c)

    def unqueue(self, item):
        if item[0] == PAYLOAD:
            self.out_data -= len(item[2])
        elif item[0] == ANSWER:
            self.owed -= len(item[2])

    def take_back(self, c):
        """CLOSE-008: Data not yet begun to be sent stays here."""
        keep = deque()
        for i, item in enumerate(self.out):
            if item[:2] == (PAYLOAD, c.id) and not (i == 0 and self.sent):
                self.unqueue(item)
            else:
                keep.append(item)
        self.out = keep

    # --- frames that both roles receive -----------------------------------------------------------

    def on_data(self, frame):
        c = self.conns.get(frame.id)
        if c is None:
            self.answer_close(frame.id)                   # DATA-004
        elif c.state == OPEN:
            if frame.octets:                              # DATA-003
                c.queue += frame.octets                   # DATA-001, DATA-002
                if not c.writing:
                    self.pump(c)
                elif len(c.queue) >= QUEUE:
                    self.full.add(c)                      # FLOW-001
        elif c.state in (REQUESTED, DIALING):
            self.fail(c)                                  # OPEN-018, OPEN-019
        # abandoned, closing, draining, retired: dropped (DATA-005, DATA-006)

    def on_close(self, cid):
        c = self.conns.get(cid)
        if c is None or c.state in (DRAINING, RETIRED):
            return                                        # CLOSE-007
        if c.state == OPEN:
            self.take_back(c)
            c.state = DRAINING
            self.full.discard(c)
            self.begin_drain(c)
        elif c.state == DIALING:
            self.fail(c)                                  # OPEN-024
        else:
            if c.state == REQUESTED:
                self.drop_local(c)                        # OPEN-015
            self.free(c)                                  # closing, abandoned: the peer's last word

    # --- life of a connection ---------------------------------------------------------------------

    def add(self, c):
        self.conns[c.id] = c
        if c.sock:
            self.locals.add(c)

    def free(self, c):
        """The ID is idle. A local socket that still drains goes on without it."""
        self.conns.pop(c.id, None)
        if c.wait:
            c.wait.cancel()
            c.wait = None
        c.state = IDLE

    def set_timer(self, c, seconds, function):
        if c.timer:
            c.timer.cancel()
        c.timer = self.loop.call_later(seconds, self.guard, function, c) if seconds else None

    def last_word(self, c, state):
        """Send Close and wait for the peer's last word, in state closing or abandoned."""
        self.send(frames.close(c.id))                     # CLOSE-001
        c.state = state
        self.full.discard(c)
        c.wait = self.loop.call_later(CLOSE_WAIT, self.guard, self.retire, c)

    def retire(self, c):
        self.drop_local(c)
        c.state = RETIRED                                 # CLOSE-009
        self.retired += 1
        if self.retired > RETIRED_MAX:                    # CLOSE-011
            self.lose("too many retired IDs")

    def fail(self, c):
        """Connection error, and everything in the tables that does the same (ERR-002)."""
        self.drop_local(c)
        if c.state == REQUESTED:
            self.last_word(c, ABANDONED)
        elif c.state == OPEN:
            self.last_word(c, CLOSING)                    # CLOSE-010
        elif c.state == DRAINING:
            self.send(frames.close(c.id))                 # CLOSE-004
            self.free(c)

    def start_closing(self, c):
        """The local stream ended: Close follows the last Data (CLOSE-002)."""
        self.last_word(c, CLOSING)
        self.begin_drain(c)

    def begin_drain(self, c):
        """Write what is queued, then shut down (CLOSE-003); octets of the local peer are discarded."""
        c.first = time.monotonic()
        c.most = c.first + CLOSE_MOST
        self.set_timer(c, CLOSE_STALL, self.stalled)      # CLOSE-006
        if c.state == DRAINING:
            c.wait = self.loop.call_later(CLOSE_TOTAL, self.guard, self.close_at_last, c)
        self.watch(c)
        self.check_pause()
        if not c.queue:
            self.all_written(c)

    def close_at_last(self, c):
        """CLOSE-004: own Close, though the local socket still takes octets; it lingers."""
        self.send(frames.close(c.id))
        self.free(c)

    def stalled(self, c):
        """CLOSE-006, CLOSE-012: nothing taken for close-stall, or close-most is over."""
        left = min(c.first + CLOSE_STALL, c.most) - time.monotonic()
        if left > 0:
            self.set_timer(c, left, self.stalled)
        else:
            self.fail(c)

    def all_written(self, c):
        try:
            c.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return self.fail(c)
        c.shut = True
        if c.state == DRAINING:
            self.send(frames.close(c.id))                 # CLOSE-004
            self.free(c)
        if c.eof:
            self.drop_local(c, False)
        else:
            self.set_timer(c, CLOSE_DRAIN, lambda c: self.drop_local(c, False))       # CLOSE-005

    # --- local sockets ----------------------------------------------------------------------------

    def opened(self, c):
        c.state = OPEN
        c.took = self.pause_clock
        self.set_timer(c, 0, None)
        held = bytes(c.held)
        c.held.clear()
        for i in range(0, len(held), PIECE):              # OPEN-020
            self.send(frames.data(c.id, held[i:i + PIECE]), PAYLOAD, c.id)
        if c.eof:
            self.start_closing(c)                         # OPEN-021
        else:
            self.watch(c)

    def watch(self, c):
        if c.sock and not c.eof and not c.reading:
            c.reading = True
            self.loop.add_reader(c.sock, self.guard, self.local_readable, c)

    def unwatch(self, c):
        if c.reading:
            c.reading = False
            self.loop.remove_reader(c.sock)

    def local_readable(self, c):
        if not c.reading:
            return
        if c.state == OPEN and self.out_data >= BACKLOG:
            self.unwatch(c)
            self.starved.append(c)
            return
        if c.state == REQUESTED and len(c.held) >= HOLD:
            return self.unwatch(c)
        try:
            octets = c.sock.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            return self.fail(c)                           # reset by the local peer
        if not octets:
            c.eof = True
            self.unwatch(c)
            self.local_end(c)
        elif c.state == OPEN:
            self.send(frames.data(c.id, octets), PAYLOAD, c.id)       # DATA-007
        elif c.state == REQUESTED:
            c.held += octets
        else:                                             # closing, draining, lingering
            c.discarded += len(octets)
            if c.discarded >= CLOSE_DISCARD:              # CLOSE-005: the socket stays all the same
                self.unwatch(c)

    def local_end(self, c):
        if c.state == REQUESTED:
            if not c.held:
                self.fail(c)                              # OPEN-023
        elif c.state == OPEN:
            self.start_closing(c)
        elif c.shut:
            self.drop_local(c, False)

    def pump(self, c):
        """Write queued octets; called when some came and when the socket takes more."""
        if not c.sock:
            return
        try:
            while c.queue:
                with memoryview(c.queue) as view, view[:READ] as part:
                    n = c.sock.send(part)
                del c.queue[:n]
                c.took = self.pause_clock
                c.first = c.took_at = time.monotonic()
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            return self.fail(c)
        if bool(c.queue) != c.writing:
            c.writing = bool(c.queue)
            if c.writing:
                self.loop.add_writer(c.sock, self.guard, self.writable, c)
            else:
                self.loop.remove_writer(c.sock)
        if c.state == OPEN and len(c.queue) >= QUEUE:
            self.full.add(c)                              # FLOW-001
        else:
            self.full.discard(c)
        if not c.queue and c.state != OPEN and not c.shut:
            self.all_written(c)

    def writable(self, c):
        self.pump(c)
        self.check_pause()

    def drop_local(self, c, abort=True):
        """Reset (or close) the local socket and drop its queued octets."""
        self.set_timer(c, 0, None)
        self.locals.discard(c)
        if not c.sock:
            return
        self.unwatch(c)
        self.loop.remove_writer(c.sock)
        c.writing = False
        if abort:
            reset(c.sock)
        else:
            c.sock.close()
        c.sock = None
        c.queue.clear()
        c.held.clear()
        self.full.discard(c)
        self.check_pause()
