"""Which services a user, group, role or policy can access, and when it last did, as far as is known: never.

Nothing is tracked here, so that a report says which services the policies grant, and no dates. It need not be kept
either: the id of its job tells whom it is about and when it was asked for, and the report is made when it is fetched.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from iam import relations as r
from iam.applied_policies import applied_policies, governing_document
from iam.commands import Principal, Query
from iam.errors import InvalidInput, NoSuchEntity
from iam.identities import GROUP, KINDS, ROLE, USER, Kind
from iam.pages import listing
from iam.policies import AWS
from iam.service_access import Access, identity_with, missing, own_arn, unsupported
from iam.services import SERVICES
from iam.state import State, known
from iam.uuids import in_form, number_in

SERVICE_LEVEL: Final = "SERVICE_LEVEL"
ACTION_LEVEL: Final = "ACTION_LEVEL"

_POLICY_PREFIX: Final = "ANPA"
_PREFIXES: Final = (*(kind.id_prefix for kind in KINDS), _POLICY_PREFIX)
_DIGITS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_UNIQUE_ID: Final = re.compile(rf"(?:{'|'.join(_PREFIXES)})[{_DIGITS}]{{17}}")
_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)
_TICK: Final = timedelta(milliseconds=10)
_TICKS: Final = 1 << 40


class GenerateServiceLastAccessedDetails(Query, frozen=True, gc=False, kw_only=True):
    arn: str
    granularity: str = SERVICE_LEVEL
    caller: Principal | None = None


class GetServiceLastAccessedDetails(Query, frozen=True, gc=False, kw_only=True):
    job_id: str


class GetServiceLastAccessedDetailsWithEntities(Query, frozen=True, gc=False, kw_only=True):
    job_id: str
    service_namespace: str


class Job(msgspec.Struct, frozen=True, gc=False):
    """What a report is about: a thing by its unique id, how much is to be told of it, and when that was asked for."""

    unique_id: str
    granularity: str
    created_at: datetime


class Entity(msgspec.Struct, frozen=True, gc=False):
    """A user or role that could have used a service."""

    kind: Kind
    id: str
    name: str
    path: str
    arn: str


def job_id(job: Job) -> str:
    """The id of the job, in the form of a UUID: 3 bits say what it is about and how, 85 are its id, 40 the time."""
    number = _PREFIXES.index(job.unique_id[:4]) << 1 | (job.granularity == ACTION_LEVEL)
    for digit in job.unique_id[4:]:
        number = number << 5 | _DIGITS.index(digit)
    return in_form(number * _TICKS + (job.created_at - _EPOCH) // _TICK)


def read_job(text: str) -> Job:
    """The job that has this id. Raises NoSuchEntity for what is no such id."""
    held = number_in(text.lower())
    if held is None:
        raise _no_job(text)
    number, ticks = divmod(held, _TICKS)
    digits = ""
    for _ in range(17):
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    granularity = ACTION_LEVEL if number & 1 else SERVICE_LEVEL
    return Job(_PREFIXES[number >> 1] + digits, granularity, _EPOCH + ticks * _TICK)


def _no_job(text: str) -> NoSuchEntity:
    return NoSuchEntity(f"Job {text} does not exist.")


# Reads


def generate_details(state: State, query: GenerateServiceLastAccessedDetails) -> tuple[str, str]:
    """The unique id of what the report is to be about, and its granularity. Raises NoSuchEntity or InvalidInput."""
    arn = own_arn(state, query.arn, query.caller)
    if arn.resource.startswith("policy/"):
        unique_id = _policy_with(state, query.arn)
        if unique_id is None:
            raise missing(query.arn)
    elif "/" in arn.resource and arn.account != AWS:
        unique_id = identity_with(state, query.arn, query.caller)[1]
    else:
        raise unsupported(query.arn)
    if _UNIQUE_ID.fullmatch(unique_id) is None:
        raise InvalidInput(f"No job can be about {unique_id}.")
    return unique_id, query.granularity


def _policy_with(state: State, arn: str) -> str | None:
    aws = state.world.catalogue.policy(arn)
    return aws.policy_id if aws is not None else state.get(r.POLICY_ARNS, "", arn)


def job_of(state: State, text: str) -> Job:
    """The job that has this id, about something that is there. Raises NoSuchEntity."""
    job = read_job(text)
    kind = _kind_of(job)
    there = _policy_arn(state, job.unique_id) if kind is None else state.get(kind.profiles, job.unique_id)
    if there is None:
        raise _no_job(text)
    return job


def list_services(state: State, query: GetServiceLastAccessedDetails, after: str) -> Iterator[tuple[str, str]]:
    """The namespaces of the services that the job's user, group, role or policy grants, in order."""
    services = _access(state, job_of(state, query.job_id)).services()
    return ((namespace, namespace) for namespace in services if namespace > after)


def list_entities(
    state: State, query: GetServiceLastAccessedDetailsWithEntities, after: str
) -> Iterator[tuple[str, Entity]]:
    """Who could have used the service by what the job is about: users, then roles, each by name."""
    job = job_of(state, query.job_id)
    namespace = query.service_namespace
    if namespace not in SERVICES:
        raise InvalidInput(f"Service namepace {namespace} is either invalid or unsupported.")  # spelled so by AWS
    found = _entities(state, job) if _access(state, job).grants(namespace) else ()
    return listing(found, lambda entity: f"{KINDS.index(entity.kind)}{entity.name.lower()}", after)


def _kind_of(job: Job) -> Kind | None:
    """What kind of identity the job is about; None for a policy."""
    return next((kind for kind in KINDS if job.unique_id.startswith(kind.id_prefix)), None)


def _policy_arn(state: State, policy_id: str) -> str | None:
    own = state.get(r.POLICY, policy_id)
    if own is not None:
        return own.arn
    aws = state.world.catalogue.policy_with_id(policy_id)
    return None if aws is None else aws.arn


def _access(state: State, job: Job) -> Access:
    kind = _kind_of(job)
    if kind is not None:
        return Access(policy.document for policy in applied_policies(state, kind, job.unique_id))
    arn = _policy_arn(state, job.unique_id)
    return Access([governing_document(state, arn)] if arn is not None else ())


def _entities(state: State, job: Job) -> list[Entity]:
    users: set[str] = set()
    roles: set[str] = set()
    kind = _kind_of(job)
    if kind is USER:
        users.add(job.unique_id)
    elif kind is ROLE:
        roles.add(job.unique_id)
    elif kind is GROUP:
        users.update(state.members(r.GROUP_USERS, job.unique_id))
    elif (arn := _policy_arn(state, job.unique_id)) is not None:
        users.update(state.members(r.POLICY_USERS, arn))
        for group_id in state.members(r.POLICY_GROUPS, arn):
            users.update(state.members(r.GROUP_USERS, group_id))
        roles.update(state.members(r.POLICY_ROLES, arn))
    return [_entity(state, USER, each) for each in users] + [_entity(state, ROLE, each) for each in roles]


def _entity(state: State, kind: Kind, identity_id: str) -> Entity:
    profile = known(state, kind.profiles, identity_id)
    return Entity(kind, identity_id, kind.name(profile), profile.path, kind.arn(state, identity_id))
