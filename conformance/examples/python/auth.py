"""Keys, the proofs that client and server give each other, and seats for strangers (PROTOCOL.md section 30)."""
import asyncio
import base64
import hashlib
import hmac
import ipaddress
import os
import re

from engine import log

SCHEME = 1

# Section 17.
HANDSHAKE = 10.0             # AUTH-009
SEATS = 256                  # AUTH-016
SEATS_ADDRESS = 32
SEAT_KEPT = 2.0

PROCESS = os.urandom(32)     # AUTH-006: a secret that stands behind the key IDs nobody has


def parse_key(line):
    """Key ID and secret of a key as text; a ValueError says which part is wrong, and not what it is (AUTH-023)."""
    parts = line.split(":")
    if len(parts) != 3:
        raise ValueError("a key has three parts with : between them: adit1, a key ID and a secret")
    version, key_id, secret = parts
    if version != "adit1":
        raise ValueError("a key begins with adit1:")
    if not re.fullmatch("[A-Za-z0-9._-]{1,64}", key_id):
        raise ValueError("the key ID, the second part of a key, has 1 to 64 letters, digits, '.', '_' and '-'")
    octets = base64.urlsafe_b64decode(secret + "=") if re.fullmatch("[A-Za-z0-9_-]{43}", secret) else b""
    if base64.urlsafe_b64encode(octets).decode() != secret + "=":
        raise ValueError("the secret, the third part of a key, is not 32 octets in base64url, 43 characters without padding")
    return key_id.encode(), octets


def stand_in(key_id):
    return hmac.digest(PROCESS, key_id, "sha256")


class Keys:
    """A server's keys: a file with one a line, and comments that begin with #. It is read again when it changes."""

    def __init__(self, path):
        self.path, self.seen = path, None
        self.by_digest = {}                               # AUTH-008: no key ID is compared as it is
        self.changed()

    def changed(self):
        """Whether the keys are others now; a ValueError or OSError changes nothing."""
        now = os.stat(self.path)
        if (now.st_mtime_ns, now.st_size, now.st_ino) == self.seen:
            return False
        self.seen = now.st_mtime_ns, now.st_size, now.st_ino
        if now.st_mode & 0o077:
            raise ValueError("%s is open to others than its owner: chmod 600 it" % self.path)
        found = {}
        with open(self.path, encoding="utf-8", errors="replace", newline="\n") as lines:
            for number, line in enumerate(lines, 1):
                line = line.rstrip("\r\n")
                if not line or line.startswith("#"):
                    continue
                try:
                    key_id, secret = parse_key(line)
                except ValueError as e:
                    raise ValueError("%s, line %d: %s" % (self.path, number, e))
                if stand_in(key_id) in found:
                    raise ValueError("%s, line %d: a second key %s" % (self.path, number, key_id.decode()))
                found[stand_in(key_id)] = secret
        changed, self.by_digest = found != self.by_digest, found
        return changed

    def secret(self, digest):
        """What proofs are made with for a key ID of that digest, known or not (AUTH-006)."""
        return self.by_digest.get(digest, digest)


def proofs(secret, cb, client_hello, server_hello):
    """The server's proof and the client's (section 30.1); the HELLOs are whole frames."""
    t = hashlib.sha256(client_hello + server_hello).digest()
    return [hmac.digest(secret, b"adit/1 %s proof\0" % side + cb + t, "sha256") for side in (b"server", b"client")]


class Seat:
    """A server's tunnel that is not up: it has `handshake` for that, and makes room for another one (AUTH-016)."""

    def __init__(self, loop, net, leave):
        self.net, self.since, self.leave_as = net, loop.time(), leave
        self.give_up = None                               # set by whoever sits: called with whether the time is over
        self.timer = loop.call_later(HANDSHAKE, lambda: self.give_up(True))

    def leave(self):
        self.timer.cancel()
        self.leave_as(self)


class Seats:
    def __init__(self, loop):
        self.loop, self.taken = loop, []                  # oldest first

    def take(self, host):
        """A seat, or None where there is none."""
        address = ipaddress.ip_address(host.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        net = address if address.version == 4 else int(address) >> 64
        for bound, rivals in ((SEATS_ADDRESS, lambda s: s.net == net), (SEATS, lambda s: True)):
            rivals = [s for s in self.taken if rivals(s)]
            if len(rivals) >= bound:
                if self.loop.time() - rivals[0].since < SEAT_KEPT:
                    return None
                rivals[0].give_up(False)
        seat = Seat(self.loop, net, self.free)
        self.taken.append(seat)
        return seat

    def free(self, seat):
        if seat in self.taken:
            self.taken.remove(seat)


async def watch(keys, changed):
    """AUTH-018: look at the file of keys every second."""
    while True:
        await asyncio.sleep(1)
        try:
            if keys.changed():
                log("%s: %d keys" % (keys.path, len(keys.by_digest)))
                changed()
        except (OSError, ValueError) as e:
            log("keys stay as they were: %s" % e)
