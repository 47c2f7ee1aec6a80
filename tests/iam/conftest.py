"""The words of the domain's tests: given a history, when a command, then events, nothing or a refusal.

No event loop, no HTTP, no SQL, and a catalogue of AWS managed policies small enough to be read here.
"""

import lzma
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Self

import msgspec
import pytest

from api.actions import IAM, Write
from iam.catalogue import Block, Catalogue, CataloguePolicy, CatalogueVersion, Index
from iam.commands import Command, Moment
from iam.errors import IamError
from iam.events import Event
from iam.policies import InstallCatalogue, install_catalogue
from iam.quotas import Quotas
from iam.restoring import RestoreUser, restore_user
from iam.state import Account, Draft, State, World

ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
STEP = timedelta(minutes=1)

Decision = Callable[[State, Any, Moment], list[Event]]
Contents = dict[tuple[str, str], dict[str, Any]]


DECISIONS: Mapping[type[Command], Decision] = {
    **{action.command: action.decide for action in IAM.values() if isinstance(action, Write)},
    InstallCatalogue: install_catalogue,
    RestoreUser: restore_user,
}


def _moment(taken: Counter[str], at: datetime) -> Moment:
    """The time, and ids that count up: AIDA1, AIDA2, ANPA1."""

    def new_id(prefix: str) -> str:
        taken[prefix] += 1
        return f"{prefix}{taken[prefix]}"

    return Moment(at=at, new_id=new_id)


def _contents(account: Account) -> Contents:
    return {(relation.name, owner): dict(entries) for relation, owner, entries in account.owners()}


class Given:
    """An account with a history. Command n of it (from 0) was carried out n minutes after NOW less a day."""

    def __init__(self, world: World, *history: Event | Command) -> None:
        self.account = Account(ACCOUNT, world)
        self.events: list[Event] = []
        self._taken: Counter[str] = Counter()
        self._at = NOW - timedelta(days=1)
        self.also(*history)

    def also(self, *history: Event | Command) -> Self:
        """The history goes on."""
        for fact in history:
            if isinstance(fact, Event):
                decided = [fact]
            else:
                decided = DECISIONS[type(fact)](self.account, fact, _moment(self._taken, self._at))
                self._at += STEP
            for event in decided:
                self.account.apply(event.changes())
                self.events.append(event)
        return self

    def when(self, decide: Decision, command: Command) -> "When":
        """The command is decided now, on the account and on a draft with the same history, which must agree."""
        draft = Draft(Account(ACCOUNT, self.account.world))
        for event in self.events:
            draft.apply(event.changes())
        on_account = _outcome(decide, self.account, command, self._taken)
        on_draft = _outcome(decide, draft, command, self._taken)
        assert (on_account.events, on_account.refusal) == (on_draft.events, on_draft.refusal)
        return on_account


class When:
    """What a command came to."""

    def __init__(self, events: list[Event] | None, refusal: tuple[type[IamError], str] | None) -> None:
        self.events = events
        self.refusal = refusal

    def then(self, *events: Event) -> None:
        """Exactly these events follow."""
        assert self.refusal is None
        assert self.events == list(events)

    def nothing(self) -> None:
        """It was so already."""
        self.then()

    def refused(self, refusal: type[IamError], message: str) -> None:
        """The command is refused with this class, not a subclass, and this text."""
        assert self.events is None
        assert self.refusal == (refusal, message)


def _outcome(decide: Decision, state: State, command: Command, taken: Counter[str]) -> When:
    try:
        return When(decide(state, command, _moment(taken.copy(), NOW)), None)
    except IamError as refusal:
        return When(None, (type(refusal), refusal.message))


def _policy(name: str, path: str, *versions: str, undated: tuple[str, ...] = ()) -> CataloguePolicy:
    start = datetime(2015, 2, 6, 18, 39, 46, tzinfo=UTC)
    dated = tuple(
        CatalogueVersion(version, None if version in undated else start + int(version[1:]) * timedelta(days=1))
        for version in versions
    )
    return CataloguePolicy(name, path, start, start + timedelta(days=30), versions[-1], dated)


AWS_POLICIES = (
    _policy("AdministratorAccess", "/", "v1"),
    _policy("AWSSupportServiceRolePolicy", "/aws-service-role/", "v1", "v2"),
    _policy("Billing", "/job-function/", "v1"),
    _policy("ReadOnlyAccess", "/", "v1", "v2", "v4", "v12", undated=("v2",)),
)


def _catalogue() -> Catalogue:
    """AWS_POLICIES, with one document per version and two policies in each block."""
    blocks: list[Block] = []
    documents = b""
    first = 0
    for pair in (AWS_POLICIES[:2], AWS_POLICIES[2:]):
        lines = [f'{{"Id":"{policy.name} {version.version_id}"}}' for policy in pair for version in policy.versions]
        stream = lzma.compress("\n".join(lines).encode())
        blocks.append(Block(first, len(documents), len(stream)))
        documents += stream
        first += len(lines)
    index = Index("2026-11-01", sha256(documents).hexdigest(), tuple(blocks), AWS_POLICIES)
    return Catalogue.read(msgspec.json.encode(index), documents)


@pytest.fixture(scope="session")
def world() -> World:
    """AWS's default quotas and a catalogue of four policies."""
    return World(catalogue=_catalogue())


@pytest.fixture(scope="session")
def given(world: World) -> Callable[..., Given]:
    """Begin a test: `given(*history).when(decide, command).then(*events)`; quotas may be raised or lowered."""

    def start(*history: Event | Command, quotas: Quotas | None = None) -> Given:
        return Given(msgspec.structs.replace(world, quotas=quotas) if quotas else world, *history)

    return start


@pytest.fixture(scope="session")
def decisions() -> Mapping[type[Command], Decision]:
    """The decision of each command, found by what it is annotated to take."""
    return DECISIONS


@pytest.fixture(scope="session")
def moment() -> Callable[[Counter[str], datetime], Moment]:
    """A moment whose ids count up from those taken."""
    return _moment


@pytest.fixture(scope="session")
def contents() -> Callable[[Account], Contents]:
    """A copy of all there is in an account."""
    return _contents
