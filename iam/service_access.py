"""Which services policies let an identity use, by what the policies say of actions.

What AWS looks at is recorded: a statement grants a service if it allows an action of it, whatever its conditions and
resources; an unconditional denial of all resources takes away what it covers. Here, AWS's list of each service's
actions is not known, so that an action counts which no service has.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec
from msgspec import UNSET

from iam.applied_policies import AppliedPolicy, applied_policies
from iam.arns import Arn, parse_arn, root_arn
from iam.commands import Principal, Query
from iam.document_grammar import Document, Statement
from iam.errors import AccessDenied, InvalidInput, NoSuchEntity, ValidationError
from iam.identities import KINDS, Kind
from iam.policies import AWS
from iam.services import SERVICES
from iam.state import State


class ListPoliciesGrantingServiceAccess(Query, frozen=True, gc=False, kw_only=True):
    arn: str
    service_namespaces: tuple[str, ...]
    caller: Principal | None = None


class ServiceGrants(msgspec.Struct, frozen=True, gc=False):
    """The policies that grant one service."""

    service_namespace: str
    policies: list[AppliedPolicy]


class Access:
    """What statements say of services, in a form that is asked quickly."""

    def __init__(self, documents: Iterable[Document | None]) -> None:
        self._allowed: defaultdict[str, list[str]] = defaultdict(list)  # patterns of actions, by namespace; one is `*`
        self._excepted: list[Sequence[str]] = []  # of each statement that allows all actions but some
        self._denied: list[Statement] = []
        for document in documents:
            for statement in document.statements if document is not None else ():
                self._add(statement)

    def _add(self, statement: Statement) -> None:
        if statement.effect == "Deny":
            if _is_all(statement.resource) and not any(statement.condition.values()):
                self._denied.append(statement)
        elif _is_all(statement.not_resource):
            pass  # it allows nothing
        elif statement.not_action is not UNSET:
            self._excepted.append(statement.actions)
        else:
            for action in statement.actions:
                self._allowed[_namespace(action)].append(action)

    def grants(self, namespace: str) -> bool:
        """Whether an action of the service is allowed, and not denied to all resources unconditionally."""
        everything = f"{namespace}:*"
        patterns = list(self._allowed.get(namespace, ()))
        if "*" in self._allowed:
            patterns.append(everything)
        patterns += (everything for actions in self._excepted if not any(_covers(each, everything) for each in actions))
        return any(not any(_denies(statement, pattern) for statement in self._denied) for pattern in patterns)

    def services(self) -> list[str]:
        """The namespaces of all services granted, in order."""
        everything = "*" in self._allowed or self._excepted
        return [name for name in SERVICES if (everything or name in self._allowed) and self.grants(name)]


def _is_all(resources: object) -> bool:
    return resources == "*" or (isinstance(resources, list) and "*" in resources)


def _namespace(action: str) -> str:
    return action.partition(":")[0].lower()


def _denies(statement: Statement, pattern: str) -> bool:
    """Whether the statement surely denies every action that the pattern stands for."""
    if statement.not_action is not UNSET:
        return not any(_may_meet(action, pattern) for action in statement.actions)
    return any(_covers(action, pattern) for action in statement.actions)


def _may_meet(one: str, other: str) -> bool:
    """Whether some action might be what both patterns stand for."""
    if one == "*" or one.lower() == other.lower():
        return True
    return _namespace(one) == _namespace(other) and not {"*", "?"}.isdisjoint(one + other)


def _covers(pattern: str, other: str) -> bool:
    """Whether all that the other pattern stands for is what this one stands for."""
    return _expression(pattern).fullmatch(other) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str) -> re.Pattern[str]:
    """Matches the actions that a pattern stands for, and the patterns that stand for some of these only."""
    spelled = (
        ".*" if part == "*" else "[^*]" if part == "?" else re.escape(part) for part in re.split("([*?])", pattern)
    )
    return re.compile("".join(spelled), re.IGNORECASE | re.DOTALL)


def list_policies_granting_service_access(
    state: State, query: ListPoliciesGrantingServiceAccess, after: str
) -> Iterator[tuple[str, ServiceGrants]]:
    """For each service asked for, in that order, the policies that grant it to a user, group or role, by name.

    Each policy is looked at by itself: what another one denies does not matter, nor do boundaries.
    """
    kind, owner = identity_with(state, query.arn, query.caller)
    unknown = [namespace for namespace in query.service_namespaces if namespace not in SERVICES]
    if unknown:
        raise InvalidInput(f"Invalid service namespace: [{', '.join(unknown)}]")
    applied = sorted(applied_policies(state, kind, owner), key=lambda policy: policy.policy_name.lower())
    said = [(policy, Access([policy.document])) for policy in applied]
    for number, namespace in enumerate(dict.fromkeys(query.service_namespaces)):
        if (key := f"{number:03}") > after:
            yield key, ServiceGrants(namespace, [policy for policy, access in said if access.grants(namespace)])


def identity_with(state: State, text: str, caller: Principal | None) -> tuple[Kind, str]:
    """The user, group or role with this ARN: its kind and id. It is found by its name; its path does not matter."""
    arn = own_arn(state, text, caller)
    noun, slash, rest = arn.resource.partition("/")
    if not slash:
        raise InvalidInput(f"Could not extract entity from ARN : {text}")
    for kind in KINDS:
        if kind.noun == noun:
            try:
                return kind, kind.find(state, rest.rpartition("/")[2])
            except NoSuchEntity:
                raise missing(text) from None
    raise unsupported(text)


def own_arn(state: State, text: str, caller: Principal | None) -> Arn:
    """The ARN, if it is one of IAM's, of the account or of AWS. Raises ValidationError or AccessDenied if not."""
    arn = parse_arn(text)
    if arn.partition != state.world.partition:
        raise ValidationError("Invalid ARN partition")
    if arn.service != "iam":
        raise ValidationError("Invalid service in ARN")
    if arn.account not in (state.account, AWS):
        asking = caller.arn if caller is not None else root_arn(state.world.partition, state.account)
        raise AccessDenied(f"User: {asking} is not authorized to perform the operation on {text}")
    return arn


def missing(arn: str) -> NoSuchEntity:
    """What AWS says of an ARN that nothing has."""
    return NoSuchEntity(f"ARN {arn} does not exist.")


def unsupported(arn: str) -> InvalidInput:
    """What AWS says of an ARN of something else."""
    return InvalidInput(f"Invalid Entity Arn: {arn} is not supported.")
