"""Pages of other sites cannot use a browser on this machine against the service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account, Reply

CREATE = "/?Action=CreateUser&Version=2010-05-08&UserName=alice"


def create(account: Account, **headers: str) -> Reply:
    """A write as a simple form post of a page would send it, with {port} filled in."""
    told = {
        name.replace("_", "-"): value.replace("{port}", str(account.server.port)) for name, value in headers.items()
    }
    return account.server.send("POST", CREATE, b"", {"Authorization": account.authorization, **told})


FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:{port}"},
    {"Host": "127.0.0.1.evil.example:{port}"},
    {"Host": "localhost.evil.example"},
    {"Host": "notlocalhost:{port}"},
    {"Host": "10.0.0.1:{port}"},
    {"Host": "0.0.0.0:{port}"},
    {"Host": "[::]:{port}"},
    {"Host": "[::1"},
    {"Host": ""},
    {"Host": "\xff.example"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://localhost:1"},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://[::1"},
    {"Origin": "http://127.0.0.1:{port}.evil.example"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Sec_Fetch_Site": ""},
    {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_another_site_made_a_browser_send_is_refused(account: Account, headers: dict[str, str]) -> None:
    """AccessDenied by the name it called us, by its origin or by what the browser says of it; nothing changes."""
    assert create(account, **headers).refusal[:2] == (403, "AccessDenied")
    assert create(account, Accept="application/json", **headers).refusal[:2] == (403, "ACCESS_DENIED")
    assert account.events() == []


@pytest.mark.parametrize("headers", FOREIGN[:3] + FOREIGN[10:13] + FOREIGN[16:19], ids=str)
def test_another_site_cannot_read_either(account: Account, headers: dict[str, str]) -> None:
    """The native API is guarded like AWS's."""
    told = {
        name.replace("_", "-"): value.replace("{port}", str(account.server.port)) for name, value in headers.items()
    }
    for target in (
        "/v1/events",
        "/v1/events/1",
        "/v1/users/alice/policies",
        "/v1/nothing",
        "/?Action=ListUsers",
        "/healthz",
        "/readyz",
    ):
        assert account.get(target, told).status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.2:{port}"},
        {"Host": "localhost"},
        {"Host": "LocalHost:{port}"},
        {"Host": "localhost.:{port}"},
        {"Host": "iam.localhost:{port}"},
        {"Host": "[::1]"},
        {"Host": "[::1]:{port}"},
        {"Host": "[0:0:0:0:0:0:0:1]:{port}"},
        {"Origin": "http://127.0.0.1:{port}"},
        {"Host": "localhost:{port}", "Origin": "http://localhost:{port}", "Sec_Fetch_Site": "same-origin"},
        {"Host": "[::1]:{port}", "Origin": "http://[::1]:{port}"},
        {"Sec_Fetch_Site": "none"},
        {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors"},
    ],
    ids=str,
)
def test_local_names_and_pages_of_the_service_itself_are_served(account: Account, headers: dict[str, str]) -> None:
    """Every spelling of this machine, and the service's own origin."""
    assert create(account, **headers).status == 200
    assert len(account.events()) == 1


def test_no_answer_opens_the_service_to_other_origins(account: Account) -> None:
    """There are no CORS headers, neither for a preflight nor for anything else."""
    preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    replies = [
        account.server.send("OPTIONS", "/", headers=preflight),
        account.server.send("OPTIONS", "/v1/events", headers=preflight),
        create(account, Origin="https://evil.example"),
        create(account, Origin="http://127.0.0.1:{port}"),
        account.get("/v1/events", {"Origin": "http://127.0.0.1"}),
        account.get("/healthz", {"Origin": "https://evil.example"}),
        account.get("/readyz"),
        account.get("/"),
    ]
    for reply in replies:
        assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
