"""Which services policies let an identity use, by what the policies say of actions.

What AWS looks at is recorded: a statement grants a service if it allows an action of it, whatever its conditions and
resources; an unconditional denial of all resources takes away what it covers. Here, AWS's list of each service's
actions is not known, so that an action counts which no service has.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

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

_EVERY = "*"  # stands where a namespace stands: of all services


class ListPoliciesGrantingServiceAccess(Query, frozen=True, gc=False, kw_only=True):
    arn: str
    service_namespaces: tuple[str, ...]
    caller: Principal | None = None


class ServiceGrants(msgspec.Struct, frozen=True, gc=False):
    """The policies that grant one service."""

    service_namespace: str
    policies: list[AppliedPolicy]


class Access:
    """What statements say of services, in a form that is asked quickly: all is filed by the service it is about."""

    def __init__(self, documents: Iterable[Document | None]) -> None:
        self._allowed: defaultdict[str, set[str]] = defaultdict(set)  # patterns of names of actions, by namespace
        self._excepted: list[set[str]] = []  # of each statement that allows all but some actions: services left out
        self._denied: defaultdict[str, set[str]] = defaultdict(set)
        self._spared: list[Mapping[str, set[str]]] = []  # of each statement that denies all actions but some
        for document in documents:
            for statement in document.statements if document is not None else ():
                self._add(statement)

    def _add(self, statement: Statement) -> None:
        filed = _filed(statement.actions)
        inverted = statement.not_action is not UNSET
        if statement.effect == "Deny":
            if not _is_all(statement.resource) or any(statement.condition.values()):
                pass  # something may be left of each service
            elif not inverted:
                _join(self._denied, filed)
            elif _EVERY not in filed:
                self._spared.append(filed)
        elif _is_all(statement.not_resource):
            pass  # it allows nothing
        elif not inverted:
            _join(self._allowed, filed)
        elif _EVERY not in filed:
            self._excepted.append({namespace for namespace, names in filed.items() if any(map(_is_any, names))})

    def grants(self, namespace: str) -> bool:
        """Whether an action of the service is allowed, and not denied to all resources unconditionally."""
        if _EVERY in self._denied:
            return False
        allowed = self._allowed.get(namespace, set())
        patterns = set(filter(_is_pattern, allowed))
        names = allowed - patterns
        if _EVERY in self._allowed or any(namespace not in excepted for excepted in self._excepted):
            patterns.add("*")
        for spared in self._spared:
            if namespace not in spared:
                return False
            if not any(map(_is_pattern, spared[namespace])):  # what two patterns have in common is not looked for
                names &= spared[namespace]
        denied = self._denied.get(namespace, set())
        left = (patterns | names) - denied
        return bool(left) and not all(map(Globs(filter(_is_pattern, denied)).cover, left))

    def services(self) -> list[str]:
        """The namespaces of all services granted, in order."""
        return [name for name in SERVICES if self.grants(name)]


class Globs:
    """Patterns with `*` and `?`, all matched at once, in a time that does not depend on what they are.

    Bit-parallel: one bit of an integer says that so many characters of one of the patterns are matched. A character
    of the text moves each bit on, and leaves it where a star stands.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._starts = self._stars = self._ends = self._any = 0
        self._moves: defaultdict[str, int] = defaultdict(int)  # by character: from where it is taken
        place = 1
        for pattern in patterns:
            self._starts |= place
            for character in pattern:
                if character == "*":
                    self._stars |= place
                else:
                    self._moves[character] |= place
                    place <<= 1
            self._ends |= place
            place <<= 1
        self._any = self._moves.pop("?", 0)
        for character in self._moves:
            self._moves[character] |= self._any
        self._moves["*"] = 0

    def cover(self, text: str) -> bool:
        """Whether one of them matches all that the text stands for. A `*` in it is matched by a `*` only."""
        matched = self._starts
        for character in text:
            matched = (matched & self._moves.get(character, self._any)) << 1 | matched & self._stars
        return matched & self._ends != 0


def _is_all(resources: object) -> bool:
    return resources == "*" or (isinstance(resources, list) and "*" in resources)


def _filed(actions: Iterable[str]) -> dict[str, set[str]]:
    """The names of the actions by namespace, in lower case. No namespace has wildcards but that of `*` and `*:*`.

    What has white space is left out: it stands for no action, and no quota bounds how long it is.
    """
    filed: dict[str, set[str]] = {}
    for action in actions:
        if action.split() == [action]:
            namespace, _, name = action.lower().partition(":")
            filed.setdefault(namespace, set()).add(name)
    return filed


def _join(whole: defaultdict[str, set[str]], part: Mapping[str, set[str]]) -> None:
    for namespace, names in part.items():
        whole[namespace] |= names


def _is_any(name: str) -> bool:
    return bool(name) and not name.strip("*")


def _is_pattern(name: str) -> bool:
    return "*" in name or "?" in name


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
