"""`python -m tools.bare`: a handler that does nothing but HTTP. It reads the form, if there is one, and answers.

What an action costs beside it is what the service itself costs.
"""

import asyncio

import uvloop
from aiohttp import web

XML = (
    b'<AttachUserPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ResponseMetadata>'
    b"<RequestId>00000000-0000-0000-0000-000000000000</RequestId></ResponseMetadata></AttachUserPolicyResponse>"
)


async def _respond(request: web.Request) -> web.Response:
    await request.post()
    return web.Response(body=XML, content_type="text/xml")


async def _serve() -> None:
    app = web.Application()
    app.router.add_post("/", _respond)
    app.router.add_route("*", "/{path:.*}", _respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as server:
        server.run(_serve())
