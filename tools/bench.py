"""`iam-ledger bench`: durable writes and reads, side by side with a handler that does nothing but HTTP.

With `--events` it measures what a long history costs instead: see `tools/bench_history.py`.

Both servers run in processes of their own and get the same requests from this one, in turns, so that a busy
machine slows both. The ratio is what to quote; the rates are this machine's.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator
from itertools import count, cycle, islice
from pathlib import Path

import msgspec
import uvloop
from aiohttp import web

from iam.policies import is_attachable
from tools import bench_history
from tools.data import catalogue
from tools.load import Measured, Run, call, in_turns, send
from tools.servers import running, service

CONCURRENCIES = (1, 16, 64)
USERS = 5000
READERS = 500  # users with an inline policy and three attached ones, whom nobody changes while they are read
FIXED_XML = (
    b'<AttachUserPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
    b"<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></AttachUserPolicyResponse>"
)


class Row(msgspec.Struct, frozen=True):
    """One action at one concurrency, and how its rate compares with the bare handler's of the same round."""

    action: str
    measured: Measured
    bare: Measured

    @property
    def ratio(self) -> float:
        """Requests per second, of the bare handler's."""
        return self.measured.requests_per_second / (self.bare.requests_per_second or 1)


def run(options: argparse.Namespace) -> int:
    """Measure, and print a table or JSON."""
    if options.events is not None:
        return bench_history.run(options)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(_bench(options.seconds, quiet=options.json))
    if options.json:
        print(msgspec.json.encode([{**msgspec.to_builtins(row), "ratio": row.ratio} for row in rows]).decode())
    else:
        print(_table(rows))
    return 0


async def _bench(seconds: float, *, quiet: bool) -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="iam-ledger-bench-") as data:
        async with service(Path(data)) as ours, running([sys.executable, "-m", "tools.bench"]) as bare:
            await send(Run(64), ours.port, _create_users(), 60)
            await send(Run(64), ours.port, _equip_readers(), 60)
            attachments = _attach()  # goes on where the last measurement stopped: each attaches something new
            puts = _put()
            for concurrency in CONCURRENCIES:
                for action, requests, alike in (
                    ("AttachUserPolicy", attachments, _attach()),
                    ("PutUserPolicy", puts, _put()),
                    ("GetUserPolicy", _get_policy(), _get_policy()),
                    ("ListAttachedUserPolicies", _list_attached(), _list_attached()),
                ):
                    if not quiet and sys.stderr.isatty():
                        print(f"\r{action} at {concurrency} …\033[K", end="", file=sys.stderr)
                    some = cycle(list(islice(alike, 64)))
                    sides = (bare.port, some), (ours.port, requests)
                    theirs, measured = await in_turns(concurrency, seconds, *sides)
                    rows.append(Row(action, measured, theirs))
    if not quiet and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return rows


def _writer(number: int) -> str:
    return f"user-{number % (USERS - READERS):05}"


def _reader(number: int) -> str:
    return f"reader-{number:05}"


def _create_users() -> Iterator[bytes]:
    names = [*(_writer(number) for number in range(USERS - READERS)), *(_reader(number) for number in range(READERS))]
    return (call("CreateUser", UserName=name) for name in names)


def _policies() -> list[str]:
    return [policy.arn for policy in catalogue().policies() if is_attachable(policy.arn)]


def _attach_policy(user_name: str, arn: str) -> bytes:
    return call("AttachUserPolicy", UserName=user_name, PolicyArn=arn)


def _put_policy(user_name: str, number: int) -> bytes:
    statement = f'{{"Sid":"S{number}","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}'
    document = f'{{"Version":"2012-10-17","Statement":[{statement}]}}'
    return call("PutUserPolicy", UserName=user_name, PolicyName="reader", PolicyDocument=document)


def _attach() -> Iterator[bytes]:
    return (_attach_policy(_writer(n), arn) for arn in _policies() for n in range(USERS - READERS))


def _put() -> Iterator[bytes]:
    return (_put_policy(_writer(number), number) for number in count())


def _equip_readers() -> Iterator[bytes]:
    for number in range(READERS):
        yield _put_policy(_reader(number), number)
        for arn in _policies()[:3]:
            yield _attach_policy(_reader(number), arn)


def _get_policy() -> Iterator[bytes]:
    return cycle([call("GetUserPolicy", UserName=_reader(n), PolicyName="reader") for n in range(READERS)])


def _list_attached() -> Iterator[bytes]:
    return cycle([call("ListAttachedUserPolicies", UserName=_reader(n)) for n in range(READERS)])


def _table(rows: list[Row]) -> str:
    lines = [f"{'action':26}{'clients':>8}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'bare req/s':>12}{'ratio':>8}"]
    for row in rows:
        m = row.measured
        failed = f"   {m.failed} failed" if m.failed else ""
        lines.append(
            f"{row.action:26}{m.concurrency:8}{m.requests_per_second:9,.0f}{m.p50_ms:9.2f}{m.p99_ms:9.2f}"
            f"{row.bare.requests_per_second:12,.0f}{row.ratio:8.2f}{failed}"
        )
    return "\n".join(lines)


async def _serve_bare() -> None:
    """The bare handler: reads the form, answers fixed XML."""

    async def respond(request: web.Request) -> web.Response:
        await request.post()
        return web.Response(body=FIXED_XML, content_type="text/xml")

    app = web.Application()
    app.router.add_post("/", respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as bare:
        bare.run(_serve_bare())
