"""A client of the service on one connection, which it keeps open and makes anew after it broke."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

ANSWER_SECONDS_MAX = 15.0


class Address(msgspec.Struct):
    """Where the service is at this moment. It has another port after each start; clients look here again."""

    port: int


class Reply(msgspec.Struct, frozen=True):
    """An answer: its status, the envelope that its body is, and its head as it came."""

    status: int
    body: bytes
    head: bytes

    @property
    def envelope(self) -> Any:
        """The whole of the JSON envelope."""
        return msgspec.json.decode(self.body)

    @property
    def data(self) -> Any:
        """What the envelope holds. Raises RuntimeError for a refusal."""
        if self.status != 200:
            raise RuntimeError(f"refused with {self.status}: {self.body.decode()}")
        return self.envelope["data"]


class Client:
    """One caller of an account, a request at a time."""

    def __init__(self, account: str, address: Address) -> None:
        self.account = account
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, target: str) -> Reply:
        """A GET of the native API."""
        return await self._send(f"GET {target} HTTP/1.1\r\n{self._headers()}\r\n".encode())

    async def call(
        self, command_id: str | None, action: str, parameters: dict[str, Any], path: str = "/", agent: str | None = None
    ) -> Reply:
        """An action in the JSON envelope, under an id that its repeats have as well. `agent` says who asks."""
        return await self.post(path, {"Action": action, **parameters}, command_id, agent)

    async def post(self, path: str, body: Any, command_id: str | None = None, agent: str | None = None) -> Reply:
        """A body of JSON, as `call` sends it."""
        told = {"amz-sdk-invocation-id": command_id, "User-Agent": agent, "Content-Type": "application/json"}
        sent = msgspec.json.encode(body)
        head = f"POST {path} HTTP/1.1\r\n{self._headers()}Content-Length: {len(sent)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in told.items() if value is not None)
        return await self._send(f"{head}\r\n".encode() + sent)

    async def flow(self, target: str) -> AsyncGenerator[bytes, None]:
        """What an answer brings that has no end, as it comes, on a connection of its own."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._address.port)
        try:
            writer.write(f"GET {target} HTTP/1.1\r\n{self._headers()}\r\n".encode())
            while piece := await reader.read(65536):
                yield piece
        finally:
            writer.close()

    def _headers(self) -> str:
        return (
            "Host: 127.0.0.1\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={self.account}/20261122/us-east-1/iam/aws4_request, "
            "SignedHeaders=host, Signature=00\r\n"
        )

    async def _send(self, request: bytes) -> Reply:
        """Raises OSError or EOFError when the connection breaks or no answer comes; then the outcome is not known."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._address.port)
                reader, writer = self._streams
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, length = head.lower().partition(b"content-length: ")
                body = await reader.readexactly(int(length.partition(b"\r\n")[0]))
        except BaseException:
            await self.close()
            raise
        if b"connection: close" in head.lower():
            await self.close()
        return Reply(int(head.split(b" ", 2)[1]), body, head)

    async def close(self) -> None:
        """Let go of the connection. The next request makes another."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()
