"""`iam-ledger serve`: the service over HTTP, until a signal ends it."""

import argparse
import asyncio
import gc
import ipaddress
import os
import re
import resource
import signal
import socket
import sqlite3
import sys
import time

import msgspec
import uvloop
from aiohttp import web

from api.app import build_server
from eventstore.log import LogError
from iam.quotas import parse_quotas
from projections.records import UnknownEvent
from tools import logs
from tools.data import DataFolder, open_service
from tools.failure import Failure

SHUTDOWN_SECONDS = 10.0
CONNECTIONS_WAITING_MAX = 1024  # for the event loop to accept them
FILES_WANTED = 4096  # descriptors: more than there can be connections, where the system allows that many
GARBAGE_THRESHOLDS = (20_000, 20, 50)  # nearly all of it goes with its last reference; cycles are rare
THREAD_SWITCH_SECONDS = 0.005  # the projections' thread computes now and then; requests should not wait for it

_REGIONS = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}  # those that IAM is signed for


def run(options: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C."""
    if options.auth != "off":
        raise Failure("--auth sigv4 does not exist yet; --auth off serves loopback addresses only")
    if not _is_loopback(options.host):
        raise Failure(f"without authentication only loopback addresses are served, and {options.host} is none")
    if not re.fullmatch("[0-9]{12}", options.account, re.ASCII):
        raise Failure(f"--account {options.account}: an account has 12 digits")
    try:
        parse_quotas(options.quota)
    except ValueError as error:
        raise Failure(f"--quota: {error}") from error
    logs.begin()
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    _allow_files()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_serve(options))
    except (sqlite3.Error, LogError, UnknownEvent, msgspec.MsgspecError) as error:
        raise Failure(f"the data in {options.data} cannot be used: {error}; `iam-ledger verify` says more") from error


async def _serve(options: argparse.Namespace) -> int:
    stop = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, stop.set)
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    began = time.monotonic()
    folder = DataFolder(options.data)
    quotas = parse_quotas(options.quota)
    async with open_service(folder, options.log, quotas, options.partition) as service:
        runner = web.ServerRunner(build_server(service, options.account), shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        try:
            site = web.TCPSite(runner, options.host, options.port, backlog=CONNECTIONS_WAITING_MAX)
            try:
                await site.start()
            except OSError as error:
                raise Failure(
                    f"cannot listen on {options.host} port {options.port}: {os.strerror(error.errno or 0)}"
                ) from error
            started = asyncio.create_task(service.start(_Progress()))
            stopped = asyncio.create_task(stop.wait())
            failed = asyncio.create_task(service.failed.wait())
            await asyncio.wait([started, stopped], return_when=asyncio.FIRST_COMPLETED)
            if started.done():
                started.result()
                gc.freeze()  # what is there now stays: looking through it again and again would cost every request
                _banner(runner, options, time.monotonic() - began)
                await asyncio.wait([stopped, failed], return_when=asyncio.FIRST_COMPLETED)
                if failed.done():
                    raise Failure("a part of the service has ended; its log says why")
            for task in (started, stopped, failed):
                task.cancel()
        finally:
            service.followers.close()  # they would not end by themselves
            await runner.cleanup()
    return 0


def _allow_files() -> None:
    """Raise the process's own limit on open files, which is often 1,024, as far as that is allowed and of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == resource.RLIM_INFINITY else min(FILES_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Progress:
    """Says on a terminal how much is left, once it takes more than a second."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def __call__(self, remaining: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - self._began > 1:
            print(f"\rreading the ledger into the projections: {remaining} left ", end="", file=sys.stderr)


def _banner(runner: web.ServerRunner, options: argparse.Namespace, seconds: float) -> None:
    host, port = runner.addresses[0][:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    region = _REGIONS[options.partition]
    where = "memory: all is forgotten at the end" if options.log else options.data
    print(
        f"""iam-ledger is ready on {url} after {seconds:.2f} s (data: {where}, account: {options.account})

  export AWS_ENDPOINT_URL_IAM={url} AWS_ENDPOINT_URL_STS={url}
  export AWS_ACCESS_KEY_ID={options.account} AWS_SECRET_ACCESS_KEY=any
  export AWS_REGION={region} AWS_DEFAULT_REGION={region}
  aws iam create-user --user-name alice

No signature is checked: whoever reaches this port is the root user. Ctrl-C ends it.""",
        flush=True,
    )


def _is_loopback(host: str) -> bool:
    try:
        found = {info[4][0] for info in socket.getaddrinfo(host, None)}
    except OSError as error:
        raise Failure(f"--host {host}: {error.strerror}") from error
    return all(ipaddress.ip_address(address).is_loopback for address in found)
