"""The service over one folder, on an event loop of this process: stopped, started, rebuilt, and killed elsewhere."""

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import uvloop
from aiohttp import web

from api.app import build_server
from faults.client import Address
from faults.server import Server
from iam.quotas import Quotas
from projections.loading import rebuild
from projections.store import Projections
from tools.data import DataFolder, open_log, open_service

T = TypeVar("T")

DEFAULT_ACCOUNT = "000000000000"
SHUTDOWN_SECONDS = 5.0


class House:
    """Where the service lives. Between two calls of `run` it stands still; close it at the end.

    `address` says where it is reached, `lives` how often it was started.
    """

    def __init__(self, data: Path) -> None:
        self.address = Address(0)
        self.lives = 0
        self._data = data
        self._loop = uvloop.new_event_loop()
        self._here: AsyncExitStack | None = None
        self._elsewhere: Server | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the service and its callers go on until this is done."""
        return self._loop.run_until_complete(work)

    async def start(self) -> None:
        """Serve from this process."""
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(open_service(DataFolder(self._data), None, Quotas()))
            server = build_server(service, DEFAULT_ACCOUNT)
            runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_SECONDS)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            await service.start()
            stack.callback(service.followers.close)
            self.address.port = runner.addresses[0][1]
            self._here = stack.pop_all()
        self.lives += 1

    async def stop(self) -> None:
        """End the service as an operator does, or kill it where it is a process of its own."""
        if self._elsewhere is not None:
            self._elsewhere.__exit__(None, None, None)
            self._elsewhere = None
        if self._here is not None:
            await self._here.aclose()
            self._here = None

    async def move_out(self) -> None:
        """Go on in a process of its own, which `stop` will kill."""
        await self.stop()
        self._elsewhere = Server(self._data)
        self.address.port = (await asyncio.to_thread(self._elsewhere.wait_until_ready)).port
        self.lives += 1

    async def rebuild(self) -> None:
        """Make the projections anew, as `iam-ledger rebuild` does. Nobody serves meanwhile."""
        folder = DataFolder(self._data)
        log = await open_log(folder.ledger, read_only=True)
        projections = Projections(folder.projections)
        try:
            await rebuild(log, projections)
        finally:
            await projections.close()
            await log.close()

    def lose_projections(self) -> None:
        """Delete the projections. Nobody serves meanwhile."""
        path = DataFolder(self._data).projections
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()

    def close(self) -> None:
        """End it, wherever it is."""
        try:
            self.run(self.stop())
            self.run(self._loop.shutdown_default_executor())
        finally:
            self._loop.close()
