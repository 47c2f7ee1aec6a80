"""Clients that abuse a server. Run as a process of its own, `python -m faults.abuse KIND PORT SEED`, so that what they
cost is not taken for the server's; it prints what came of it as JSON."""

import asyncio
import contextlib
import gzip
import resource
import socket
import sys
from collections.abc import Callable, Mapping
from random import Random

import msgspec

STALLED_SECONDS_MAX = 10.0
CLIENTS = 500
MORE_THAN_ANY = 2100
HAMMERS = 10
PACE_SECONDS = 0.25  # between two requests of one hammer
HAMMERING_SECONDS = 3.0
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
JSON = b"Content-Type: application/json\r\n"
HOST = b"Host: localhost\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
POST = b"POST / HTTP/1.1\r\n" + HOST
PAGE = b"GET /v1/events?limit=1000 HTTP/1.1\r\n" + HOST + b"\r\n"
STREAM = b"GET /v1/events/stream HTTP/1.1\r\n" + HOST + b"Accept: text/event-stream\r\n\r\n"
TABLE = b"GET /v1/events HTTP/1.1\r\n" + HOST + b"Accept: text/csv\r\n\r\n"

Chance = Callable[[Random], bytes]


class Outcome(msgspec.Struct):
    """What came of an attack."""

    connections: int = 0
    stalled_open_after_10_s: int = 0
    answered: int = 0  # with a refusal, as it should be
    failed: int = 0  # a 5xx other than 503


class Stall(msgspec.Struct, frozen=True):
    """Connect, send something, and then a little now and then or nothing, and read nothing."""

    opening: Chance
    drip: bytes = b""
    clients: int = CLIENTS
    may_stay: bool = False  # the server allows this, as long as it costs it little


class Hammer(msgspec.Struct, frozen=True):
    """Send requests that are to be refused, again and again."""

    request: Chance


def _deep(random: Random) -> bytes:
    opened, closed = random.choice([(b"[", b"]"), (b'{"x":', b"}")])
    body = b'{"Action":"CreateUser","UserName":"a","x":' + opened * 100_000 + b"1" + closed * 100_000 + b"}"
    return POST + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body


def _bomb(random: Random) -> bytes:
    body = gzip.compress(bytes(random.randrange(1_000_000, 50_000_000)))
    encoding = random.choice([b"gzip", b"deflate", b"br", b"gzip, gzip"])
    return POST + FORM + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body)) + body


def _oversized(random: Random) -> bytes:
    kind = random.choice([FORM, JSON])
    size = random.randrange(1_100_000, 8_000_000)
    if random.random() < 0.5:
        return POST + kind + b"Content-Length: %d\r\n\r\n" % size + bytes(size)
    return POST + kind + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % size + bytes(size) + b"\r\n0\r\n\r\n"


def _headers(random: Random) -> bytes:
    return POST + b"".join(b"X-%d: %s\r\n" % (n, b"a" * random.randrange(100)) for n in range(10_000)) + b"\r\n"


def _garbage(random: Random) -> bytes:
    return random.randbytes(random.randrange(10, 10_000)) + b"\r\n\r\n"


def _flood(random: Random) -> bytes:
    return HEALTH * random.randrange(100, 1000)


def _wide(random: Random) -> bytes:
    members = b",".join(b'"%d":{"a":[]}' % n for n in range(random.randrange(10_000, 50_000)))
    body = b'{"Action":"CreateUser","UserName":"' + b"a" * 200 + b'",' + members + b"}"
    return POST + JSON + b"Content-Length: %d\r\n\r\n" % len(body) + body


KINDS: Mapping[str, Stall | Hammer] = {
    "ten thousand headers": Hammer(_headers),
    "compressed bombs": Hammer(_bomb),
    "oversized bodies": Hammer(_oversized),
    "deep JSON": Hammer(_deep),
    "wide JSON": Hammer(_wide),
    "garbage": Hammer(_garbage),
    "pipelining": Hammer(_flood),
    "slow headers": Stall(lambda random: POST[: random.randrange(1, len(POST))] + b"X: ", b"x"),
    "stalled headers": Stall(lambda random: POST[: random.randrange(1, len(POST))]),
    "slow bodies": Stall(
        lambda random: POST + FORM + b"Content-Length: %d\r\n\r\n" % random.randrange(99, 10**6), b"x"
    ),
    "endless chunks": Stall(lambda _: POST + JSON + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "large bodies": Stall(lambda _: POST + FORM + b"Content-Length: 1048576\r\n\r\n" + bytes(1_000_000), b"x"),
    "a body nobody reads": Stall(lambda _: HEALTH[:-2] + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "nothing said": Stall(lambda _: b""),
    "a second request that stalls": Stall(lambda _: HEALTH + POST, b"X"),
    "answers nobody reads": Stall(lambda _: PAGE * 3, clients=4),
    "idle connections": Stall(lambda _: HEALTH, may_stay=True),
    "streams nobody reads": Stall(lambda random: random.choice([STREAM, TABLE]), clients=50, may_stay=True),
    "too many connections": Stall(lambda _: HEALTH, clients=MORE_THAN_ANY, may_stay=True),
}


async def _stall(port: int, kind: Stall, random: Random, outcome: Outcome) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as connection, contextlib.suppress(ConnectionError):
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # so that little lies on its way
        await loop.sock_connect(connection, ("127.0.0.1", port))
        outcome.connections += 1
        end = loop.time() + STALLED_SECONDS_MAX
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(end):
                await loop.sock_sendall(connection, kind.opening(random))
                while kind.drip:
                    await asyncio.sleep(random.uniform(0.5, 1.5))
                    await loop.sock_sendall(connection, kind.drip)
        await asyncio.sleep(max(0.0, end - loop.time()))
        if not kind.may_stay and _stands(connection):
            outcome.stalled_open_after_10_s += 1


def _stands(connection: socket.socket) -> bool:
    """Whether the other side has neither closed nor reset the connection. Linux tells, as 1: established."""
    return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 8)[0] == 1


async def _hammer(port: int, kind: Hammer, random: Random, outcome: Outcome) -> None:
    end = asyncio.get_running_loop().time() + HAMMERING_SECONDS
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(random.uniform(0, 2 * PACE_SECONDS))
        with contextlib.suppress(ConnectionError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            outcome.connections += 1
            try:
                sending = asyncio.create_task(_send(writer, kind.request(random)))
                status = int((await asyncio.wait_for(reader.readuntil(b"\r\n"), STALLED_SECONDS_MAX)).split()[1])
                outcome.answered += 1
                outcome.failed += status >= 500 and status != 503
                await sending
            except TimeoutError:
                outcome.stalled_open_after_10_s += 1
            except asyncio.IncompleteReadError:
                pass
            finally:
                sending.cancel()
                writer.transport.abort()


async def _send(writer: asyncio.StreamWriter, request: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        writer.write(request)
        await writer.drain()


async def attack(name: str, port: int, seed: int) -> Outcome:
    """All clients of one kind at once, until the last has had its time."""
    kind = KINDS[name]
    outcome = Outcome()
    if isinstance(kind, Stall):
        await asyncio.gather(*(_stall(port, kind, Random(f"{seed} {n}"), outcome) for n in range(kind.clients)))
    else:
        await asyncio.gather(*(_hammer(port, kind, Random(f"{seed} {n}"), outcome) for n in range(HAMMERS)))
    return outcome


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(msgspec.json.encode(asyncio.run(attack(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))).decode())
