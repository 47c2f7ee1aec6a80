"""`iam-ledger bench`: durable writes and reads, side by side with a handler that does nothing but HTTP.

Both servers run in processes of their own and get the same requests from this one, in turns, so that a busy
machine slows both. The ratio is what to quote; the rates are this machine's.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count, cycle, islice
from pathlib import Path
from urllib.parse import quote, urlencode

import msgspec
import uvloop
from aiohttp import web

from iam.policies import is_attachable
from tools.data import catalogue
from tools.failure import Failure
from tools.load import Measured, Run, send

CONCURRENCIES = (1, 16, 64)
TURNS = 10  # short ones, so that what else the machine does falls on both alike
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
        async with _server(Path(data)) as port, _bare_server() as bare_port:
            await send(Run(64), port, _create_users(), 60)
            await send(Run(64), port, _equip_readers(), 60)
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
                    bare, ours = Run(concurrency), Run(concurrency)
                    some = cycle(list(islice(alike, 64)))
                    for _ in range(TURNS):
                        await send(bare, bare_port, some, seconds / TURNS)
                        await send(ours, port, requests, seconds / TURNS)
                    rows.append(Row(action, ours.measured(), bare.measured()))
    if not quiet and sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    return rows


def _request(action: str, **parameters: str) -> bytes:
    body = urlencode({"Action": action, "Version": "2010-05-08", **parameters}, quote_via=quote).encode()
    return (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: identity\r\n"
        "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n"
        "User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.11.7\r\n"
        "X-Amz-Date: 20261122T000000Z\r\n"
        "Authorization: AWS4-HMAC-SHA256 Credential=123456789012/20261122/us-east-1/iam/aws4_request, "
        f"SignedHeaders=content-type;host;x-amz-date, Signature={'0' * 64}\r\n"
        f"amz-sdk-invocation-id: {uuid.uuid4()}\r\namz-sdk-request: attempt=1\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _writer(number: int) -> str:
    return f"user-{number % (USERS - READERS):05}"


def _reader(number: int) -> str:
    return f"reader-{number:05}"


def _create_users() -> Iterator[bytes]:
    names = [*(_writer(number) for number in range(USERS - READERS)), *(_reader(number) for number in range(READERS))]
    return (_request("CreateUser", UserName=name) for name in names)


def _policies() -> list[str]:
    return [policy.arn for policy in catalogue().policies() if is_attachable(policy.arn)]


def _attach_policy(user_name: str, arn: str) -> bytes:
    return _request("AttachUserPolicy", UserName=user_name, PolicyArn=arn)


def _put_policy(user_name: str, number: int) -> bytes:
    statement = f'{{"Sid":"S{number}","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}'
    document = f'{{"Version":"2012-10-17","Statement":[{statement}]}}'
    return _request("PutUserPolicy", UserName=user_name, PolicyName="reader", PolicyDocument=document)


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
    return cycle([_request("GetUserPolicy", UserName=_reader(n), PolicyName="reader") for n in range(READERS)])


def _list_attached() -> Iterator[bytes]:
    return cycle([_request("ListAttachedUserPolicies", UserName=_reader(n)) for n in range(READERS)])


@asynccontextmanager
async def _server(data: Path) -> AsyncIterator[int]:
    command = [sys.executable, "-m", "tools", "serve", "--data", str(data), "--port", "0"]
    command += ["--quota", "PoliciesPerUser=2000"]  # so that every attachment is a new one
    async with _process(command) as process:
        yield await _announced_port(process)


@asynccontextmanager
async def _bare_server() -> AsyncIterator[int]:
    async with _process([sys.executable, "-m", "tools.bench"]) as process:
        yield await _announced_port(process)


@asynccontextmanager
async def _process(command: list[str]) -> AsyncIterator[Process]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("IAM_LEDGER_")}
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, env=environment)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _announced_port(process: Process) -> int:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    _, found, rest = line.partition("http://127.0.0.1:")
    if not found:
        raise Failure("a server did not start")
    return int(rest.split()[0])


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
