"""Server: python3 server.py --tunnel HOST:PORT --visitor HOST:PORT --target HOST:PORT"""
import argparse
import asyncio
import hmac
import resource
import signal
import socket

import auth
import binding
import engine
import frames
import transport
from engine import ABANDONED, ANSWER, REQUESTED, Conn, flag, host_port, log
from extended import FRESH, GREETED, OPENING, UP, ExtendedTunnel, end_tunnels

CONNECT_TIMEOUT = 10.0       # OPEN-022
SILENCE = 60.0               # ALIVE-005, ALIVE-006: between 45 s and 300 s
MAX_CONNS = 8192             # IDs and draining sockets of one tunnel
MAX_TUNNELS = 256


class ServerTunnel(ExtendedTunnel):
    is_server = True

    def __init__(self, loop, sock, name, target, on_lost, extended, keys, seat, bindings):
        super().__init__(loop, sock, name, {frames.REQUEST}, SILENCE, on_lost, extended, keys, bindings)      # OPEN-010
        self.target = target
        self.next_id = 0
        self.group = None
        self.asking, self.bind_highest = {}, -1           # BINDs that wait, by ID; the highest ID used
        self.seat, self.owner = seat, sock.owner
        if seat:
            seat.give_up = lambda over: self.guard(self.give_up, over)

    def room(self):
        if self.phase == UP and self.live() >= self.peer_max:     # XOPEN-011
            return False
        return len(self.conns) - self.retired < MAX_CONNS and len(self.locals) + len(self.xlocals) < MAX_CONNS

    def serves(self):
        """AWAY-001, AWAY-008, AUTH-001."""
        return not (self.said or self.parting or self.silent) and (self.phase == UP or not self.auth)

    # --- authentication: section 30 ---------------------------------------------------------------

    def greeted_with(self, theirs, frame):
        if not theirs:                                    # AUTH-019; no text: AUTH-024
            log("%s: a HELLO without auth" % self.name)
            return self.part(frames.DENIED)
        binding, _, key_id = theirs
        is_mine = binding == self.sock.binding            # AUTH-010, AUTH-021
        self.say_hello(self.auth_value(self.sock.binding))
        self.digest = auth.stand_in(key_id)
        self.secret = self.auth.secret(self.digest) if is_mine else self.digest
        proof, self.expected = auth.proofs(self.secret, self.sock.cb, frames.whole_hello(frame.payload), self.hello)
        self.send(frames.auth(proof), ANSWER)             # AUTH-003
        self.key_id, self.phase = key_id, GREETED

    def on_auth(self, proof):
        if self.phase == FRESH:
            raise frames.ProtocolError("state", "AUTH before HELLO", "AUTH-025")
        if not hmac.compare_digest(self.expected, proof) or not self.has_key():       # AUTH-005, AUTH-006, AUTH-008
            log("%s: denied: wrong secret, or no key %r with binding %d" % (self.name, self.key_id, self.sock.binding))
            return self.part(frames.DENIED)
        self.name += " (%s)" % self.key_id.decode()
        log("%s: the key is right" % self.name)
        self.owner = self.key_id
        self.send(frames.auth(), ANSWER)
        self.up()

    def has_key(self):
        return self.secret == self.auth.secret(self.digest) != self.digest

    def keys_changed(self):
        """AUTH-018."""
        if self.phase == UP and not self.has_key():
            log("%s: the key was taken away" % self.name)
            self.end_now(frames.DENIED, "the key was taken away")

    def turned_away(self, code):
        if self.phase == FRESH:
            raise frames.ProtocolError("state", "GOAWAY before HELLO", "AUTH-007")
        super().turned_away(code)

    def give_up(self, is_over):
        """Not up in time, or the seat is for somebody else."""
        if is_over and self.phase == GREETED:
            self.part(frames.TIMED_OUT)
        else:
            self.lose("no proof in time" if is_over else "its seat is needed")

    def handshake_over(self):
        if self.seat:
            self.seat.leave()
            self.seat = None
        if self.phase == UP and self.bind and not self.lost and not self.over:
            self.group = self.bind.join(self, self.owner, self.peer_instance)
            if not self.group:                            # GROUP-003
                self.part(frames.TOO_MANY)

    def lose(self, reason):
        super().lose(reason)
        self.handshake_over()

    # --- bindings: section 32 ---------------------------------------------------------------------

    def on_bind(self, frame):
        if frame.type == frames.UNBIND:                   # BIND-005
            self.bind_highest = max(self.bind_highest, frame.id)
            task = self.asking.pop(frame.id, None)
            if task:
                task.cancel()
                self.send(frames.bound(frame.id, frames.CANCELLED), ANSWER)
            if self.group:
                self.bind.unbind(self, frame.id)
            return self.send(frames.unbind(frame.id, frames.OK), ANSWER)
        tags, critical = frames.parse_tlvs(frame.payload, frames.IN_BIND)
        if frame.id <= self.bind_highest:
            raise frames.ProtocolError("state", "bind ID %d is not above %d" % (frame.id, self.bind_highest), "BIND-001")
        self.bind_highest = frame.id
        answer = self.bind.bind(self, frame.id, tags, critical)
        if len(self.asking) >= binding.BINDINGS:
            answer = frames.TOO_MANY, None, "too many wait for an answer"
        if type(answer) is tuple:
            return self.send(frames.bound(frame.id, *answer), ANSWER)     # BIND-002
        self.asking[frame.id] = self.loop.create_task(self.ask_holder(answer, frame.id, tags, critical))

    async def ask_holder(self, answer, bind_id, tags, critical):
        while type(answer) is not tuple:
            if await self.bind.is_alive(answer):
                answer = frames.IN_USE, None, "another client has it, and it is alive"
            else:
                answer = self.bind.bind(self, bind_id, tags, critical)
        del self.asking[bind_id]
        self.send(frames.bound(bind_id, *answer), ANSWER)

    def stop_asking(self, code=None):
        for bind_id, task in self.asking.items():
            task.cancel()
            if code:                                      # BIND-017
                self.send(frames.bound(bind_id, code), ANSWER)
        self.asking.clear()

    def leave_group(self, in_order):
        self.stop_asking()
        if self.group:
            group, self.group = self.group, None
            self.bind.leave(group, self, in_order)

    def drain(self, kind=engine.CONTROL):
        super().drain(kind)
        self.stop_asking(frames.DRAIN)

    def on_goaway(self, code):
        if code != frames.DRAIN:
            self.leave_group(code == frames.DONE)
        super().on_goaway(code)

    def end_all(self):
        super().end_all()
        self.leave_group(False)

    # --- visitors ---------------------------------------------------------------------------------

    def visitor(self, sock, remote, service=None):
        """One visitor, one request (OPEN-001), or one OPEN (HELLO-008)."""
        if self.phase == UP:
            return self.open(sock, remote, service)
        while self.next_id in self.conns or self.next_id == self.reader.begun():     # ID-001, ID-002
            self.next_id = (self.next_id + 1) & 0xFFFFFFFF
        c = Conn(self.next_id, REQUESTED, sock)
        self.next_id = (self.next_id + 1) & 0xFFFFFFFF
        self.add(c)
        host, port = self.target
        self.send(frames.request(c.id, port, host))
        self.set_timer(c, CONNECT_TIMEOUT, self.fail)     # OPEN-022
        self.watch(c)

    def open(self, sock, remote, service):
        c = self.add_ext(self.highest + 1, sock)          # XID-001
        host, port = self.target
        where = [frames.tlv(frames.SERVICE, service)] if service else [frames.tlv(frames.HOST, host), frames.port_tag(port)]
        self.send_of(c, frames.open_(c.id, *where, frames.address(frames.ORIGIN, remote), frames.address(frames.LOCAL, sock.getsockname())))
        self.set_timer(c, CONNECT_TIMEOUT, self.waited)
        self.watch(c)                                     # XOPEN-014
        if c.id == 0xFFFFFFFF:                            # XID-006
            self.drain()

    def waited(self, c):
        """XOPEN-008."""
        if c.state == OPENING:
            self.kill(c, frames.TIMED_OUT)

    def on_other(self, frame):
        if isinstance(frame, frames.KeepAlive):
            self.send(frames.keepalive(), ANSWER)  # ALIVE-002, ORDER-002
            return
        c = self.conns.get(frame.id)                      # a ConnectResponse
        if c is None or c.state not in (REQUESTED, ABANDONED):
            return                                        # OPEN-016
        if frame.status == frames.OK:
            if c.state == REQUESTED:
                self.opened(c)
            else:
                self.send(frames.close(c.id), ANSWER)      # OPEN-025
        else:
            if c.state == REQUESTED:
                log("%s: connection %d failed with status %d" % (self.name, c.id, frame.status))
                self.drop_local(c)
            self.free(c)                                  # OPEN-014, no Close


class Server:
    def __init__(self, loop, target, extended, keys, tls, bindings):
        self.bindings = bindings
        self.loop, self.target, self.extended, self.keys, self.tls = loop, target, extended, keys, tls
        self.tunnels = []
        self.seats = auth.Seats(loop)
        self.handshakes = set()

    async def listen(self, address, accepted):
        host, port = address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(512)
        sock.setblocking(False)
        return asyncio.create_task(self.accept(sock, accepted))

    async def accept(self, listener, accepted):
        with listener:
            while True:
                try:
                    sock, remote = await self.loop.sock_accept(listener)
                except OSError as e:                      # out of descriptors, or gone already
                    log("accept: %s" % e)
                    await asyncio.sleep(0.1)
                    continue
                try:
                    accepted(sock, remote)
                except Exception as e:
                    log("accept: %r" % e)
                    engine.reset(sock)

    def tunnel_accepted(self, sock, remote):
        name = "%s:%d" % remote[:2]
        if sum(not t.seat for t in self.tunnels) >= MAX_TUNNELS:      # MULTI-001
            return sock.close()
        seat = None
        if self.keys or self.tls:                         # AUTH-016, TLS-010
            seat = self.seats.take(remote[0])
            if not seat:
                return sock.close()
        if not self.tls:
            return self.begin(transport.Plain(sock), name, seat)
        task = self.loop.create_task(self.encrypt(sock, name, seat))
        seat.give_up = lambda _: task.cancel()
        self.handshakes.add(task)
        task.add_done_callback(self.handshakes.discard)

    async def encrypt(self, sock, name, seat):
        try:
            engine.prepare(sock)
            tunnel = await self.tls.wrap(self.loop, sock)
        except (OSError, asyncio.CancelledError) as e:
            log("%s: no TLS: %s" % (name, str(e) or "no handshake in time, or its seat is needed"))
            seat.leave()
            return sock.close()
        if not self.keys:
            seat.leave()
            seat = None
        self.begin(tunnel, name, seat)

    def begin(self, sock, name, seat):
        self.tunnels.append(ServerTunnel(self.loop, sock, name, self.target, self.tunnels_remove, self.extended, self.keys, seat, self.bindings))   # TUN-001
        log("%s: tunnel begins" % name)

    def keys_changed(self):
        for tunnel in list(self.tunnels):
            tunnel.guard(tunnel.keys_changed)

    def tunnels_remove(self, tunnel):
        self.tunnels.remove(tunnel)                       # LOSS-004: the listener goes on

    def visitor_accepted(self, sock, remote):
        serving = [t for t in self.tunnels if t.serves()]
        welcome(sock, serving[-1] if serving and serving[-1].room() else None)       # section 18: the newest serves


def welcome(sock, tunnel, service=None):
    if not tunnel:
        return engine.reset(sock)                         # OPEN-026, AWAY-008, BIND-008
    try:
        engine.prepare(sock)
        remote = sock.getpeername()
    except OSError:                                       # gone already
        return engine.reset(sock)
    tunnel.guard(tunnel.visitor, sock, remote, service)


def port_range(text):
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) <= int(last) < 65536):
        raise ValueError("%s is not FROM-TO, two ports" % text)
    return range(int(first), int(last) + 1)


async def main():
    parser = argparse.ArgumentParser()
    for name in ("--tunnel", "--visitor", "--target"):
        parser.add_argument(name, type=host_port, required=True, metavar="HOST:PORT")
    parser.add_argument("--extended", action="store_true", help="speak the Extended profile with clients that do")
    parser.add_argument("--drain", type=float, default=0, metavar="SECONDS", help="let open connections end by themselves for that long")
    parser.add_argument("--keys", type=flag(auth.Keys), metavar="FILE", help="serve only clients with one of its keys, one a line")
    parser.add_argument("--cert", metavar="FILE", help="take clients over TLS alone, with this certificate (PEM)")
    parser.add_argument("--cert-key", metavar="FILE", help="its private key, if that is not in the same file")
    parser.add_argument("--client-ca", metavar="FILE", help="take only clients with a certificate of these authorities")
    parser.add_argument("--bind-range", type=flag(port_range), metavar="FROM-TO", help="ports that clients with a key, or a certificate, may ask for")
    parser.add_argument("--bind-nameless", action="store_true", help="others, too")
    args = parser.parse_args()
    if args.client_ca and not args.cert:
        parser.error("--client-ca needs TLS: --cert and --cert-key")
    try:
        tls = args.cert and transport.ServerTls(args)
    except (OSError, ValueError) as e:
        parser.error("a certificate or its key cannot be read: %s" % e)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    bindings = args.bind_range and binding.Bindings(loop, args.visitor[0], args.bind_range, args.bind_nameless, welcome)
    server = Server(loop, (args.target[0].encode("ascii"), args.target[1]), args.extended or args.keys or bindings, args.keys, tls, bindings)
    tasks = [await server.listen(args.tunnel, server.tunnel_accepted),
             await server.listen(args.visitor, server.visitor_accepted)]
    if args.keys:
        tasks.append(asyncio.create_task(auth.watch(args.keys, server.keys_changed)))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print("ready", flush=True)
    await stop.wait()
    for task in [*tasks, *server.handshakes]:
        task.cancel()
    if bindings:
        bindings.close()
    await asyncio.gather(*tasks, return_exceptions=True)  # the listeners are closed before anything else ends
    await end_tunnels(server.tunnels, args.drain)         # LOSS-002 holds for our own end too


if __name__ == "__main__":
    asyncio.run(main())
