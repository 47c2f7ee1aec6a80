"""The native API's view of one user: who may be asked about at any instant, by name or by id."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web

from api import answers
from api.query_string import parameters
from api.service import Request, Service
from iam import relations as r
from iam.users import find_user, user_at
from projections.instant import InstantState


async def policies(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`GET /v1/users/{name}/policies`: the policy sets at an instant, each with the record that put it there."""
    asked = parameters(http, "at")
    account = request.caller.account
    basis = await service.resolve(account, asked.get("at"))
    await service.caught_up(account, basis.position)
    sets = await service.projections.read(
        lambda connection: _policy_sets(InstantState(connection, account, service.world, basis.position), named["name"])
    )
    positions = sorted({entry["position"] for entry in (*sets["attached"], *sets["inline"])})
    origins = {row.position: _origin(row.record) for row in await service.log.get(account, positions)}
    for entry in (*sets["attached"], *sets["inline"]):
        entry.update(origins[entry["position"]])
    return answers.success({**sets, "basis": basis}, request.request_id)


def _policy_sets(state: InstantState, name: str) -> dict[str, Any]:
    user_id = name if state.get(r.USER, name) else find_user(state, name)
    user = user_at(state, user_id)
    attached = [
        {"policy_name": policy_name, "policy_arn": arn, "position": position}
        for arn, policy_name, position in state.entries(r.USER_POLICIES, user_id)
    ]
    inline = [
        {"policy_name": policy.policy_name, "policy_document": policy.document, "position": position}
        for _, policy, position in state.entries(r.USER_INLINE_POLICIES, user_id)
    ]
    return {
        "user_name": user.user_name,
        "user_id": user.user_id,
        "arn": user.arn,
        "attached": sorted(attached, key=lambda entry: str(entry["policy_name"]).lower()),
        "inline": sorted(inline, key=lambda entry: str(entry["policy_name"]).lower()),
    }


class _Origin(msgspec.Struct):
    """The part of a record that says who put something there, and when."""

    id: str
    recorded_at: datetime
    actor: Mapping[str, Any]


def _origin(record: bytes) -> dict[str, Any]:
    origin = msgspec.json.decode(record, type=_Origin)
    return {"event_id": origin.id, "since": origin.recorded_at, "by": origin.actor}
