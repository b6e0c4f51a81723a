"""Server: python3 server.py --tunnel HOST:PORT --visitor HOST:PORT --target HOST:PORT"""
import argparse
import asyncio
import resource
import signal
import socket

import engine
import frames
from engine import ABANDONED, REQUESTED, Conn, host_port, log
from extended import OPENING, UP, ExtendedTunnel, end_tunnels

CONNECT_TIMEOUT = 10.0       # OPEN-022
SILENCE = 60.0               # ALIVE-005, ALIVE-006: between 45 s and 300 s
MAX_CONNS = 8192             # IDs and draining sockets of one tunnel
MAX_TUNNELS = 256


class ServerTunnel(ExtendedTunnel):
    is_server = True

    def __init__(self, loop, sock, name, target, on_lost, extended):
        super().__init__(loop, sock, name, {frames.REQUEST}, SILENCE, on_lost, extended)       # OPEN-010
        self.target = target
        self.next_id = 0

    def room(self):
        if self.phase == UP and self.live() >= self.peer_max:     # XOPEN-011
            return False
        return len(self.conns) - self.retired < MAX_CONNS and len(self.locals) + len(self.xlocals) < MAX_CONNS

    def serves(self):
        """AWAY-001, AWAY-008."""
        return not (self.said or self.parting or self.silent)

    def visitor(self, sock):
        """One visitor, one request (OPEN-001), or one OPEN (HELLO-008)."""
        if self.phase == UP:
            return self.open(sock)
        while self.next_id in self.conns or self.next_id == self.reader.begun():     # ID-001, ID-002
            self.next_id = (self.next_id + 1) & 0xFFFFFFFF
        c = Conn(self.next_id, REQUESTED, sock)
        self.next_id = (self.next_id + 1) & 0xFFFFFFFF
        self.add(c)
        host, port = self.target
        self.send(frames.request(c.id, port, host))
        self.set_timer(c, CONNECT_TIMEOUT, self.fail)     # OPEN-022
        self.watch(c)

    def open(self, sock):
        c = self.add_ext(self.highest + 1, sock)          # XID-001
        host, port = self.target
        self.send_of(c, frames.open_(c.id, frames.tlv(frames.HOST, host), frames.tlv(frames.PORT, port.to_bytes(2, "big")),
                                     frames.address(frames.ORIGIN, sock.getpeername()), frames.address(frames.LOCAL, sock.getsockname())))
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
            self.send(frames.keepalive(), engine.ANSWER)  # ALIVE-002, ORDER-002
            return
        c = self.conns.get(frame.id)                      # a ConnectResponse
        if c is None or c.state not in (REQUESTED, ABANDONED):
            return                                        # OPEN-016
        if frame.status == frames.OK:
            if c.state == REQUESTED:
                self.opened(c)
            else:
                self.send(frames.close(c.id), engine.ANSWER)      # OPEN-025
        else:
            if c.state == REQUESTED:
                log("%s: connection %d failed with status %d" % (self.name, c.id, frame.status))
                self.drop_local(c)
            self.free(c)                                  # OPEN-014, no Close


class Server:
    def __init__(self, loop, target, extended):
        self.loop, self.target, self.extended = loop, target, extended
        self.tunnels = []

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
        if len(self.tunnels) >= MAX_TUNNELS:              # MULTI-001
            return sock.close()
        self.tunnels.append(ServerTunnel(self.loop, sock, name, self.target, self.tunnels_remove, self.extended))    # TUN-001
        log("%s: tunnel begins" % name)

    def tunnels_remove(self, tunnel):
        self.tunnels.remove(tunnel)                       # LOSS-004: the listener goes on

    def visitor_accepted(self, sock, remote):
        serving = [t for t in self.tunnels if t.serves()]
        if not serving or not serving[-1].room():
            return engine.reset(sock)                     # OPEN-026, AWAY-008
        engine.prepare(sock)
        serving[-1].visitor(sock)                         # section 18: the newest serves


async def main():
    parser = argparse.ArgumentParser()
    for name in ("--tunnel", "--visitor", "--target"):
        parser.add_argument(name, type=host_port, required=True, metavar="HOST:PORT")
    parser.add_argument("--extended", action="store_true", help="speak the Extended profile with clients that do")
    parser.add_argument("--drain", type=float, default=0, metavar="SECONDS", help="let open connections end by themselves for that long")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    loop = asyncio.get_running_loop()
    server = Server(loop, (args.target[0].encode("ascii"), args.target[1]), args.extended)
    tasks = [await server.listen(args.tunnel, server.tunnel_accepted),
             await server.listen(args.visitor, server.visitor_accepted)]
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print("ready", flush=True)
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)  # the listeners are closed before anything else ends
    await end_tunnels(server.tunnels, args.drain)         # LOSS-002 holds for our own end too


if __name__ == "__main__":
    asyncio.run(main())
