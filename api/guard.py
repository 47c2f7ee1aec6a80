"""What keeps a browser on the same machine from being turned against a service that checks no signatures.

A page of any site can make the browser send requests to loopback. Such a request gives itself away: by the name
it called us (DNS rebinding), by the origin it comes from, or by what the browser says of its site.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from multidict import istr

from iam.errors import AccessDenied

_SEC_FETCH_SITE = istr("Sec-Fetch-Site")
_SAME_SITE = ("none", "same-origin")


def check_browser(request: web.BaseRequest) -> None:
    """Refuse, with AccessDenied, what another site made a browser send."""
    headers = request.headers
    host = headers.get(hdrs.HOST, "")
    if not is_loopback(host):
        raise AccessDenied(f"Without authentication this service answers to loopback names only, not to {host}.")
    origin = headers.get(hdrs.ORIGIN)
    if origin is not None and _authority(origin) != host:
        raise AccessDenied(f"Requests of the origin {origin} are not served.")
    if headers.get(_SEC_FETCH_SITE, "none") not in _SAME_SITE:
        raise AccessDenied("Requests that another site makes a browser send are not served.")


def _authority(origin: str) -> str | None:
    """The host and port of an origin; None for `null` and for what is no origin."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


@lru_cache(maxsize=64)
def is_loopback(host: str) -> bool:
    """Whether a Host header, with or without port, names this machine."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
