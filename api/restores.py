"""Putting a user back to what it was at an instant: by new events, decided on the newest state, all or nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, cast, get_args

import msgspec
from aiohttp import web

from api import answers
from api.body import media_type, read_body
from api.instants import Basis
from api.parameters import read_json
from api.routes import COMMAND_ID, OF_A_BODY, OF_A_CALL, USER_NAME, Route
from api.service import Request, Service, new_id
from eventstore.record import Outcome
from eventstore.writer import Answer
from iam import relations as r
from iam.commands import Moment
from iam.errors import (
    IdempotentParameterMismatch,
    MalformedInput,
    NoSuchEntity,
    RestoreConflict,
    ValidationError,
)
from iam.events import AnyEvent, Event
from iam.groups import group_at
from iam.identities import USER
from iam.restoring import Conflict, Part, RestoreUser, plan, restore_user
from iam.state import State, known
from iam.user_details import Membership, membership, user_details
from iam.user_diff import UserDiff, diff_users
from iam.users import find_holder
from projections.instant import InstantState

PARTS: tuple[Part, ...] = get_args(Part)
NAME_CHARACTERS_MAX = 128  # AWS's bound on the name in a call; attempts are records, and nobody may make these long
JSON = "application/json"

Decide = Callable[[State, Moment], list[Event]]


class RestoreRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be put back: an instant, and some parts of the user, or all. A dry run only tells what would be."""

    at: Annotated[str, msgspec.Meta(max_length=100)]
    dry_run: bool = False
    parts: Annotated[tuple[Part, ...], msgspec.Meta(min_length=1)] = PARTS


class RestoreStep(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One of the events that a restore made."""

    position: int
    id: str
    type: str
    recorded_at: datetime


class Restoration(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did: what every write answers, of its last record, as the user is whole only there; its events."""

    id: str
    position: int
    created_at: datetime
    outcome: Outcome
    events: Sequence[RestoreStep]
    restored_from: Basis


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore would record, what is in its way, and the difference that it would make without that."""

    events: Sequence[AnyEvent]
    conflicts: Sequence[Conflict]
    diff: UserDiff
    restored_from: Basis
    basis: Basis


RESTORE: Final = Route(
    method="POST",
    path="/v1/users/{name}/restore",
    about="Put a user, by the name or id that it has now, back to what it was. The body is a JSON object: `at` is an "
    "instant, `parts` some of `attached`, `inline`, `tags`, `permissions_boundary` and `groups`, or all if not given. "
    "What differs is changed by ordinary events with `restored_from`, all in one, by the action `RestoreUser`; `data` "
    "has what any write has, of the last record, as the user is whole only there, and the `events`, each with its "
    "`position`, `id`, `type` and `recorded_at`. What cannot be put back, such as a policy that was deleted, is "
    "409 `RestoreConflict`, which names all of it, and nothing is changed. With `dry_run` nothing is recorded: "
    "`events` are those that would be, `conflicts` is what is in the way, `diff` is what would be different, and "
    "`basis` is what this was computed at. What managed policies say is never restored, nor is a group "
    "or a deleted user.",
    parameters=(USER_NAME, COMMAND_ID),
    body=RestoreRequest,
    data=(Restoration, Rehearsal),
    refusals=(*OF_A_CALL, *OF_A_BODY, NoSuchEntity, RestoreConflict, IdempotentParameterMismatch),
)


async def restore(
    service: Service, http: web.BaseRequest, request: Request, named: Mapping[str, str]
) -> web.StreamResponse:
    """`POST /v1/users/{name}/restore`: make parts of a user what they were, or tell what that would do.

    A name means its holder now. A refusal is on record, as with any write, unless the request makes no sense.
    """
    asked = await _read(http)
    account, name = request.caller.account, named["name"]
    if len(name) > NAME_CHARACTERS_MAX:
        raise ValidationError(f"A user is named by 1 to {NAME_CHARACTERS_MAX} characters, not by {len(name)}.")
    basis = await service.resolve(account, asked.at)
    present = await service.resolve(account, None)
    told: dict[str, Any] = {"user_name": name, "at": asked.at, "parts": asked.parts}
    question = dict(told)
    decide: Decide
    try:
        find = partial(_command, name=name, asked=asked)
        user_name, command = await service.read_at(request.caller, find, basis, present)
    except NoSuchEntity as refusal:
        if asked.dry_run:
            raise
        decide = partial(_refuse, refusal)
    else:
        if asked.dry_run:
            rehearse = partial(_rehearse, command=command, basis=basis, now=present)
            return answers.success(await service.read_at(request.caller, rehearse, present), request.request_id)
        decide = partial(_decide, command)
        told |= {"user_name": user_name, "user_id": command.user_id}
    answer = await service.restore(request, decide, asked=question, told=told, basis=basis)
    return answers.success(_done(answer, basis), request.request_id)


async def _read(http: web.BaseRequest) -> RestoreRequest:
    """The body, its parts each once and in one order. Raises MalformedInput or ValidationError, naming the field."""
    if (kind := media_type(http)) != JSON:
        raise MalformedInput(
            f"Content-Type {kind} is not read: {JSON} is." if kind else f"The body needs Content-Type {JSON}."
        )
    body = await read_body(http)
    read_json(body)  # refuses what programs read differently
    try:
        asked = msgspec.json.decode(body, type=RestoreRequest)
    except msgspec.DecodeError as error:
        raise ValidationError(
            f"The body cannot be read: {error}. It has `at`, which is required, `dry_run`, and `parts`: any of "
            f"{', '.join(PARTS)}."
        ) from None
    return msgspec.structs.replace(asked, parts=tuple(part for part in PARTS if part in asked.parts))


def _command(past: InstantState, present: InstantState, name: str, asked: RestoreRequest) -> tuple[str, RestoreUser]:
    """What the user is called, and what is to be decided. Raises NoSuchEntity for one that was not there then."""
    user_id = _holder(past, present, name)
    if past.get(r.USER, user_id) is None:
        called = known(present, r.USER, user_id).user_name
        raise NoSuchEntity(f"The user {called} with id {user_id} did not exist at {asked.at}: it was created later.")
    wanted = user_details(past, user_id)
    arns = {*(policy.policy_arn for policy in wanted.attached), wanted.permissions_boundary or ""}
    ids = ((arn, past.get(r.POLICY_ARNS, "", arn)) for arn in sorted(arns))
    command = RestoreUser(
        user_id=user_id,
        wanted=wanted,
        parts=asked.parts,
        policy_ids={arn: policy_id for arn, policy_id in ids if policy_id is not None},
    )
    return (present.get(r.USER, user_id) or wanted).user_name, command


def _holder(past: State, present: State, name: str) -> str:
    """The id of the user that is meant: the holder now, or one from then who was deleted, so that this can be told."""
    try:
        return find_holder(present, name)
    except NoSuchEntity:
        user_id = find_holder(past, name)
        return user_id if present.get(r.USER, user_id) is None else USER.find(present, name)


def _refuse(refusal: NoSuchEntity, state: State, moment: Moment) -> list[Event]:
    raise refusal


def _decide(command: RestoreUser, state: State, moment: Moment) -> list[Event]:
    return restore_user(state, command, moment)


def _rehearse(state: InstantState, command: RestoreUser, basis: Basis, now: Basis) -> Rehearsal:
    planned = plan(state, command, Moment(now.instant, new_id))
    present = user_details(state, command.user_id)
    wanted = msgspec.structs.replace(present, **{part: getattr(command.wanted, part) for part in command.parts})
    if "groups" in command.parts:
        wanted = msgspec.structs.replace(wanted, groups=tuple(_as_now(state, wanted.groups)))
    return Rehearsal(
        events=cast(list[AnyEvent], planned.events),
        conflicts=planned.conflicts,
        diff=diff_users(present, wanted),
        restored_from=basis,
        basis=now,
    )


def _as_now(state: State, groups: Sequence[Membership]) -> Iterator[Membership]:
    """The groups as they are now, which is what a user joins; those that are no more as they were."""
    for group in groups:
        gone = state.get(r.GROUP, group.group_id) is None
        yield group if gone else membership(state, group_at(state, group.group_id))


def _done(answer: Answer[AnyEvent], basis: Basis) -> Restoration:
    last = answer.records[-1]
    return Restoration(
        id=last.id,
        position=last.position,
        created_at=last.recorded_at,
        outcome=last.outcome,
        events=[
            RestoreStep(
                position=record.position,
                id=record.id,
                type=str(record.event.__struct_config__.tag),
                recorded_at=record.recorded_at,
            )
            for record in answer.records
            if record.event is not None
        ],
        restored_from=basis,
    )
