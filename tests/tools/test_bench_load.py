"""The benchmark's own client: it counts every answer once, and tells a server that fails from one that is fast."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import repeat
from urllib.parse import parse_qs

import pytest

from tools import load
from tools.failure import Failure
from tools.load import Turn, ask, call, measured, send

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def server(*pieces: bytes, closes: bool = False) -> AsyncIterator[int]:
    """Its port. It reads a request, writes these pieces one by one, and perhaps closes."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await reader.readexactly(int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]))
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                if closes:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(respond, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def requests(number: int) -> list[bytes]:
    """So many calls, no two alike."""
    return [call("GetUser", UserName=f"user-{each}") for each in range(number)]


@pytest.mark.parametrize(
    ("pieces", "closes"),
    [((OK,), False), ((OK[:10], OK[10:40], OK[40:]), False), ((CLOSING,), True)],
    ids=["at once", "in pieces", "closing after each"],
)
async def test_every_answer_is_counted_once(pieces: tuple[bytes, ...], closes: bool) -> None:
    """However it comes. The first of each client is answered, but its latency is not looked at."""
    async with server(*pieces, closes=closes) as port:
        turn = await send(4, port, iter(requests(40)), 20)

    assert (turn.answers, turn.failed, len(turn.latencies)) == (40, 0, 36)
    assert list(turn.latencies) == sorted(turn.latencies)


async def test_answers_other_than_200_are_failures() -> None:
    """A server that refuses quickly is not fast."""
    async with server(REFUSED) as port:
        turn = await send(2, port, iter(requests(10)), 20)

    assert (turn.answers, turn.failed) == (10, 10)


async def test_answers_that_never_come_are_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the server closes instead, or says nothing for ever."""
    monkeypatch.setattr(load, "PATIENCE_SECONDS", 0.05)

    async with server(closes=True) as port:
        assert (await send(3, port, repeat(requests(1)[0]), 20)).failed == 3
    async with server(OK[:20]) as port:
        assert (await send(3, port, repeat(requests(1)[0]), 0.05)).failed == 3


async def test_the_time_of_a_turn_ends_it() -> None:
    """There may be requests without end."""
    async with server(OK) as port:
        turn = await send(2, port, repeat(requests(1)[0]), 0.05)

    assert turn.answers > 2
    assert turn.failed == 0


async def test_a_single_answer_is_read_whole_or_refused() -> None:
    """What is asked to see whether a write is there."""
    async with server(OK[:30], OK[30:]) as port:
        assert await ask(port, requests(1)[0]) == b"ok"
    async with server(REFUSED) as port:
        with pytest.raises(Failure, match=r"503 Service Unavailable to POST /"):
            await ask(port, requests(1)[0])


def test_a_call_says_its_parameters_and_no_two_share_an_id() -> None:
    """A second call of the same id would be answered without being carried out."""
    calls = [call("GetUser", UserName="a&b=c/é +") for _ in range(2)]

    heads, bodies = zip(*(each.decode("ascii").split("\r\n\r\n") for each in calls), strict=True)
    assert parse_qs(bodies[0]) == {"Action": ["GetUser"], "Version": ["2010-05-08"], "UserName": ["a&b=c/é +"]}
    assert f"Content-Length: {len(bodies[0])}" in heads[0].splitlines()
    ids = [line for head in heads for line in head.splitlines() if line.startswith("amz-sdk-invocation-id: ")]
    assert len(set(ids)) == 2


def test_the_figures_are_the_median_of_the_turns() -> None:
    """So a turn in which the machine did something else does not count; failures do, in whatever turn."""
    turns = [
        Turn(1.0, rate, failed, [0.001] * 98 + [p99] * 2, 0.5)
        for rate, failed, p99 in ((100, 0, 0.002), (10, 1, 0.9), (90, 0, 0.003))
    ]

    found = measured(4, turns)

    assert (found.requests_per_second, found.p50_ms, found.p99_ms, found.failed) == (90, 1.0, 3.0, 1)
    assert found.client_busy == 0.5


def test_a_turn_without_any_answer_is_no_measurement() -> None:
    """Such as when there was nothing left to ask."""
    with pytest.raises(Failure, match="nothing left to ask"):
        measured(1, [Turn(1.0, 0, 0, [], 0.1)])
