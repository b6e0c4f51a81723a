"""What clients publish: a server's bindings and groups, and what a client is told to ask for (PROTOCOL.md section 32)."""
import asyncio
import random
import socket
import time

import frames
from engine import ANSWER, log

# Section 17.
AGAIN = 45.0                 # BIND-012
PROBE = 5.0                  # BIND-007
HOLD = 30.0                  # BIND-008
BINDINGS = 64                # BIND-003
GROUP = 16                   # GROUP-003



class Publication:
    """A client's --publish: [PORT or NAME=][HOST:]PORT."""

    def __init__(self, text):
        public, _, target = text.rpartition("=")
        host, _, port = target.rpartition(":")
        public = public or port
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise ValueError("%s does not end in a port: [PORT=][HOST:]PORT, or NAME=[HOST:]PORT" % text)
        self.host, self.port = (host.strip("[]") or "127.0.0.1").encode("ascii"), int(port)
        self.number = self.asked = int(public) if public.isdigit() else None      # of the server; 0: any, None: only a name
        if self.number is not None and self.number > 65535:
            raise ValueError("%d is not a port" % self.number)
        self.service = (("%s-to-%d" % (public, self.port)) if public == "0" else public).encode()
        if not frames.label(self.service):
            raise ValueError("a name has 1 to 63 of a to z, 0 to 9 and -")

    def __str__(self):
        return "%s:%d" % (self.host.decode(), self.port)


class Group:
    """The tunnels of one client, and what was given to it. It is there as long as it has either."""

    def __init__(self, key, owner):
        self.key, self.owner = key, owner
        self.tunnels, self.bindings = [], []
        self.timer = self.probe = None
        self.dead = False                                 # a probe had no answer

    def lives(self):
        return any(t.serves() for t in self.tunnels)


class Binding:
    """A port, or a name; the latest BIND for it says the rest."""

    def __init__(self, what, group, listener):
        self.what, self.group, self.listener = what, group, listener

    def give(self, tunnel, bind_id, service, asked):
        self.tunnel, self.id, self.service, self.asked, self.name = tunnel, bind_id, service, asked, tunnel.peer_name


class Bindings:
    """All of a server: who holds which port and which name."""

    def __init__(self, loop, host, ports, nameless, accepted):
        self.loop, self.host, self.ports, self.nameless, self.accepted = loop, host, ports, nameless, accepted
        self.held = {}                                    # of ports, and of owner and name
        self.groups = {}

    # --- groups -----------------------------------------------------------------------------------

    def join(self, tunnel, owner, instance):
        """The tunnel's group, or None where it is full (GROUP-003)."""
        key = (owner, instance) if owner and instance else tunnel
        group = self.groups.get(key) or Group(key, owner)
        if len(group.tunnels) >= GROUP:
            return None
        self.groups[key], group.dead = group, False
        group.tunnels.append(tunnel)
        if group.timer:
            group.timer.cancel()
        return group

    def leave(self, group, tunnel, in_order):
        """A tunnel is lost, or its client has said that it is done (BIND-008)."""
        group.tunnels.remove(tunnel)
        for b in group.bindings:
            if b.tunnel is tunnel:
                b.tunnel = None
        if group.tunnels:
            return
        for b in list(group.bindings):
            if in_order or not group.owner or not b.listener:
                self.end(b)
        if group.bindings:
            group.timer = self.loop.call_later(HOLD, self.expire, group)
        self.forget(group)

    def expire(self, group):
        for b in list(group.bindings):
            self.end(b)
        self.forget(group)

    def forget(self, group):
        if not group.tunnels and not group.bindings:
            self.groups.pop(group.key, None)
            if group.timer:
                group.timer.cancel()

    # --- bindings ---------------------------------------------------------------------------------

    def bind(self, tunnel, bind_id, tags, critical):
        """What BOUND says: a code, a port or None, a text; or a group that has to be probed first."""
        group, service = tunnel.group, tags.get(frames.SERVICE, b"")
        port = int.from_bytes(tags[frames.PORT], "big") if frames.PORT in tags else None
        if not tunnel.serves():                           # BIND-017
            return frames.DRAIN, None, ""
        if critical or tags.get(frames.NETWORK, b"\x01") != b"\x01":
            return frames.UNSUPPORTED, None, ""
        if not frames.label(service):
            return frames.GENERAL, None, "a service has 1 to 63 of a to z, 0 to 9 and -"
        if not group.owner and not self.nameless:
            return frames.DENIED, None, "who has no key may ask for nothing"
        if port and port not in self.ports:
            return frames.DENIED, None, "ports are %d to %d" % (self.ports[0], self.ports[-1])
        b = self.holder(group, port, service)
        if not b or b.group is not group:
            if len(group.bindings) >= BINDINGS:
                return frames.TOO_MANY, None, "%d is all that a client may have" % BINDINGS
        if not b:
            b = self.new(group, port, service)
            if not b:
                return frames.IN_USE, None, "no port is free" if port == 0 else "the system does not give it"
        elif b.group is not group and not b.group.dead:
            if b.group.owner != group.owner:
                return frames.IN_USE, None, "it is another client's"
            if b.group.lives():                           # BIND-007
                return b.group
            if b.name != tunnel.peer_name:
                return frames.IN_USE, None, "it is kept for a client of another name"
        self.move(b, group)
        b.give(tunnel, bind_id, service, port)
        return 0, None if port is None else b.what, ""

    def holder(self, group, port, service):
        if port == 0:                                     # BIND-014
            return next((b for b in group.bindings if b.asked == 0 and b.service == service), None)
        return self.held.get((group.owner, service) if port is None else port)

    def new(self, group, port, service):
        """None if there is no such port."""
        if port is None:
            b = Binding((group.owner, service), group, None)
        else:
            candidates = [port] if port else random.sample(self.ports, len(self.ports))
            listener = next(filter(None, (self.listen(n) for n in candidates if n not in self.held)), None)
            if not listener:
                return None
            b = Binding(listener.getsockname()[1], group, listener)
            self.loop.add_reader(listener, self.visitor, b)
        b.tunnel = None
        self.held[b.what] = b
        group.bindings.append(b)
        return b

    def move(self, b, group):
        if b.tunnel:                                      # BIND-006
            b.tunnel.send(frames.unbind(b.id, frames.REPLACED), ANSWER)
        b.group.bindings.remove(b)
        self.forget(b.group)
        group.bindings.append(b)
        b.group = group

    def end(self, b):
        del self.held[b.what]
        b.group.bindings.remove(b)
        if b.listener:
            self.loop.remove_reader(b.listener)
            b.listener.close()
            b.listener = None

    def unbind(self, tunnel, bind_id):
        for b in [b for b in tunnel.group.bindings if b.tunnel is tunnel and b.id == bind_id]:
            self.end(b)

    async def is_alive(self, group):
        """The probe, one for all who wait for its outcome; False does not say that nobody holds it any more."""
        if not group.probe:
            group.probe = self.loop.create_task(self.ask_all(group))
        return await asyncio.shield(group.probe)

    async def ask_all(self, group):
        for tunnel in group.tunnels:
            tunnel.send(frames.ping(b"are you?"))
        began, answered = time.monotonic(), False
        while group.tunnels and not answered and time.monotonic() < began + PROBE:
            await asyncio.sleep(0.05)
            answered = any(t.heard > began for t in group.tunnels)
        group.probe = None
        if answered:
            return True
        group.dead = bool(group.tunnels)
        for tunnel in list(group.tunnels):
            log("%s: another client wants what it holds, and it does not answer" % tunnel.name)
            tunnel.end_now(frames.DEAD)
        return False

    # --- ports ------------------------------------------------------------------------------------

    def listen(self, port):
        """A socket that listens, or None."""
        sock = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((self.host, port))
            sock.listen(512)
            sock.setblocking(False)
            return sock
        except OSError:
            sock.close()
            return None

    def visitor(self, b):
        try:
            sock, _ = b.listener.accept()
        except OSError as e:
            log("accept: %s" % e)
            self.loop.remove_reader(b.listener)           # out of descriptors, most likely: wait a little
            self.loop.call_later(0.1, lambda: b.listener and self.loop.add_reader(b.listener, self.visitor, b))
            return
        tunnels = [t for t in b.group.tunnels if t.serves() and t.room()]
        self.accepted(sock, min(tunnels, key=lambda t: t.live(), default=None), b.service)        # GROUP-001

    def close(self):
        for b in list(self.held.values()):
            self.end(b)
