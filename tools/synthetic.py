"""`python -m tools.synthetic` makes a ledger as large as you like, such as a service would have written.

Each account leads a life of calls drawn by chance. The domain itself decides every one of them, so that each event
follows from those before it, and what it refuses is recorded as refused. The same seed makes the same records.
"""

import argparse
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from itertools import combinations, islice
from pathlib import Path
from random import Random
from typing import Any, TypeAlias, TypeVar

import msgspec

from api.actions import IAM, Write
from eventstore.record import EMPTY, Actor, Attempt, Head, Outcome, Record, Row, head_of, seal, timed_id
from eventstore.sqlite import APPLICATION_ID, SCHEMA_VERSION
from iam import policies
from iam import relations as r
from iam.arns import POLICY, iam_arn, policy_path_and_name, root_arn
from iam.commands import Moment
from iam.errors import IamError
from iam.events import Event
from iam.quotas import Quotas
from iam.relations import Relation
from iam.state import Account, World, known
from tools.data import DataFolder, catalogue, sync_folder
from tools.failure import Failure
from tools.progress import Progress

T = TypeVar("T")

FIRST_ACCOUNT = 123456789012
START = datetime(2024, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=300)  # between the first record and the last, about
RECORDS_PER_TURN = 50  # one account's, before the next one has its turn
ROWS_PER_TRANSACTION = 10_000
ADMINS = 3  # of an account's users: they act, and are never renamed or deleted

Call: TypeAlias = tuple[str, dict[str, Any]]  # an action and its parameters

_INSERT = "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?)"
# Nothing needs to survive a crash before the file has its name; it is synced as a whole before it gets it.
_LOADING = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"

_PEOPLE = ("alice", "bob", "carol", "dan", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "olivia")
_PATHS = ("/", "/", "/", "/engineering/", "/finance/", "/support/")
_GROUPS = ("developers", "operators", "readers")
_ROLES = ("deployer", "backup")
_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)
_OWN_POLICIES = ("reports-reader", "deployer", "billing", "ci", "auditor", "data-team")
_INLINE_POLICIES = ("reports", "uploads", "queue", "own-password", "temporary")
_TAGS = {
    "team": ("audit", "data", "platform", "web"),
    "cost-center": ("1001", "1002", "2040"),
    "environment": ("production", "staging"),
}
_SOURCES = (
    ("203.0.113.7", "aws-cli/2.15.30 Python/3.11.8 Linux/6.1 exe/x86_64 prompt/off command/iam"),
    ("203.0.113.24", "Boto3/1.34.69 md/Botocore#1.34.69 ua/2.0 os/linux#6.1 lang/python#3.11.8"),
    ("198.51.100.3", "APN/1.0 HashiCorp/1.0 Terraform/1.7.5 terraform-provider-aws/5.42.0"),
    ("198.51.100.80", "aws-sdk-go-v2/1.26.0 os/linux lang/go#1.22.1 api/iam#1.31.3"),
    ("192.0.2.15", "aws-cli/1.32.66 Python/3.9.16 Darwin/23.4.0 botocore/1.34.66"),
    ("2001:db8::5c", "aws-sdk-js/3.540.0 os/linux lang/js md/nodejs#20.11.1 api/iam#3.540.0"),
)
_ALLOWED = (
    (("s3:GetObject", "s3:ListBucket"), "arn:aws:s3:::BUCKET/*"),
    (("s3:PutObject", "s3:DeleteObject"), "arn:aws:s3:::BUCKET/uploads/*"),
    (("sqs:SendMessage", "sqs:ReceiveMessage"), "arn:aws:sqs:eu-west-1:*:BUCKET"),
    (("dynamodb:Query", "dynamodb:GetItem"), "arn:aws:dynamodb:*:*:table/BUCKET"),
    (("logs:FilterLogEvents",), "*"),
    (("iam:ChangePassword", "iam:GetUser"), "arn:aws:iam::*:user/${aws:username}"),
)


def _documents(statements: int) -> list[str]:
    """Policy documents of so many statements, some on one line and some on many."""
    return [
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Sid": f"Part{place}", "Effect": "Allow", "Action": actions, "Resource": resource}
                    for place, (actions, resource) in enumerate(allowed, 1)
                ],
            },
            indent=None if number % 3 else 2,
        )
        for number, allowed in enumerate(combinations(_ALLOWED, statements))
    ]


# Five inline policies of at most two statements are within the quota of one user.
_INLINE_DOCUMENTS = _documents(1) + _documents(2)
_MANAGED_DOCUMENTS = _documents(2) + _documents(3) + _documents(4)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the ledger that the flags ask for. Returns the exit status: 0 done, 1 failed, 2 misused, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tools.synthetic", description="Make a large ledger.")
    parser.add_argument("--data", type=Path, required=True, help="the folder to make it in; it must not have one")
    parser.add_argument("--events", type=_count, required=True, help="how many records in all accounts together")
    parser.add_argument("--accounts", type=_count, default=200, help="how many accounts (%(default)s)")
    parser.add_argument("--users", type=_count, default=50, help="how many users each account has (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="another seed makes another ledger (%(default)s)")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    try:
        with Progress(options.events) as progress:
            make(options.data, options.events, options.accounts, options.users, options.seed, progress)
    except Failure as failure:
        print(f"tools.synthetic: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    seconds = time.perf_counter() - began
    print(f"{options.events:,} records in {seconds:.2f} s ({options.events / seconds:,.0f} records/s)")
    return 0


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def make(folder: Path, events: int, accounts: int, users: int, seed: int, progress: Callable[[int], None]) -> None:
    """Make a data folder whose ledger has this many records, beside the one of AWS's managed policies.

    `progress` hears how many are written. The ledger appears when it is complete, or not at all. Raises Failure if
    the folder has one already, or cannot be written to.
    """
    if users > (most := Quotas().users_per_account):
        raise Failure(f"an account has at most {most:,} users")
    data = DataFolder(folder)
    data.create()
    new = data.ledger.with_name(data.ledger.name + ".new")
    with data.lock():
        if data.ledger.exists():
            raise Failure(f"{folder} has a ledger already; name another folder")
        try:
            _remove(new)
            _write(new, _records(events, accounts, users, _Chance(seed)), progress)
            os.rename(new, data.ledger)
            sync_folder(folder)
        except (sqlite3.Error, OSError) as error:
            raise Failure(f"cannot write {new}: {error}") from error
        finally:
            _remove(new)


def _write(path: Path, rows: Iterator[Row], progress: Callable[[int], None]) -> None:
    """Make a log of these rows and put it on disk.

    The index and the triggers come last, as schema.sql has them: the index is then sorted once, and the rows are right.
    """
    schema = files("eventstore").joinpath("schema.sql").read_text()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(
            f"{_LOADING} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}; {schema}"
        )
        later = connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL"
        ).fetchall()
        for kind, name, _ in later:
            connection.execute(f"DROP {kind} {name}")
        done = 0
        while batch := [msgspec.structs.astuple(row) for row in islice(rows, ROWS_PER_TRANSACTION)]:
            connection.execute("BEGIN")
            connection.executemany(_INSERT, batch)
            connection.execute("COMMIT")
            progress(done := done + len(batch))
        for _, _, sql in later:
            connection.execute(sql)
        connection.execute("PRAGMA journal_mode = WAL")
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


class _Chance(Random):
    """Chance that chooses fast, and does not mind the last bit of fairness."""

    def pick(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[int(self.random() * len(options))]

    def uuid(self) -> str:
        """A random UUID, such as the SDKs of AWS give each call."""
        text = f"{self.getrandbits(128) & ~(0xF << 76 | 0b11 << 62) | 0x4 << 76 | 0b10 << 62:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _records(events: int, accounts: int, users: int, chance: _Chance) -> Iterator[Row]:
    """The catalogue's record, then so many of the accounts, which take turns."""
    world = World(catalogue())
    yield _installed(world, chance)
    attachable = tuple(policy.arn for policy in world.catalogue.policies() if not policies.is_reserved(policy.arn))
    chosen = chance.sample(attachable, min(60, len(attachable)))
    lives = [_Life(str(FIRST_ACCOUNT + number), world, users, chosen, chance) for number in range(accounts)]
    gap = SPAN.total_seconds() / events
    at = START
    done = 0
    while True:
        for life in lives:
            for _ in range(RECORDS_PER_TURN):
                if done == events:
                    return
                at += timedelta(seconds=chance.expovariate(1 / gap), microseconds=1)
                yield life.next(at)
                done += 1


def _installed(world: World, chance: _Chance) -> Row:
    """The record that a service begins with."""
    aws = Account(policies.AWS, world)
    [event] = policies.install_catalogue(aws, policies.InstallCatalogue(), Moment(START, str))
    record: Record[Event] = Record(
        account=policies.AWS,
        position=1,
        id=timed_id(START, chance),
        outcome="changed",
        event=event,
        recorded_at=START,
        effective_at=START,
        actor=Actor(id=policies.AWS, arn=root_arn(world.partition, policies.AWS), source="service"),
        user_agent="iam-ledger",
        action="InstallCatalogue",
        command_id=f"catalogue-{world.catalogue.digest}",
        request_digest=_digest(chance),
        previous=EMPTY.hash,
    )
    return seal(record)


def _digest(chance: _Chance) -> str:
    """What a keyed digest looks like to all who do not have the key."""
    return f"{chance.getrandbits(256):064x}"


class _Life:
    """One account: what it is, the head of its ledger, and an endless supply of calls, most of them sensible."""

    def __init__(self, account: str, world: World, users: int, aws_policies: Sequence[str], chance: _Chance) -> None:
        self._state = Account(account, world)
        self._head: Head = EMPTY
        self._chance = chance
        self._names = [f"{chance.pick(_PEOPLE)}.{number}" for number in range(1, users + 1)]
        self._last_number = users
        own = [iam_arn(world.partition, account, POLICY, "/", name) for name in _OWN_POLICIES]
        self._own_policies = own
        self._arns = (*aws_policies, *own)
        root = Actor(id=account, arn=root_arn(world.partition, account), access_key_id=account)
        self._actors = [root]
        self._calls = self._live()

    def next(self, at: datetime) -> Row:
        """The next call, decided and recorded."""
        chance = self._chance
        action, parameters = next(self._calls)
        outcome, event, attempt = self._decide(action, parameters, at)
        source_ip, user_agent = chance.pick(_SOURCES)
        row = seal(
            Record(
                account=self._state.account,
                position=self._head.position + 1,
                id=timed_id(at, chance),
                outcome=outcome,
                event=event,
                attempt=attempt,
                recorded_at=at,
                effective_at=at,
                actor=chance.pick(self._actors),
                source_ip=source_ip,
                user_agent=user_agent,
                request_id=timed_id(at, chance),
                action=action,
                command_id=chance.uuid(),
                request_digest=_digest(chance),
                previous=self._head.hash,
            )
        )
        self._head = head_of(row)
        return row

    def _decide(self, action: str, parameters: dict[str, Any], at: datetime) -> tuple[Outcome, Event | None, Any]:
        write = IAM[action]
        assert isinstance(write, Write)
        command = msgspec.convert(parameters, write.command)
        try:
            events = write.decide(self._state, command, Moment(at, self._new_id))
        except IamError as refusal:
            return "refused", None, Attempt(parameters=parameters, code=refusal.code, message=refusal.message)
        if not events:
            return "unchanged", None, Attempt(parameters=parameters)
        [event] = events
        self._state.apply(event.changes())
        return "changed", event, None

    def _new_id(self, prefix: str) -> str:
        return prefix + "".join(self._chance.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=17))

    def _live(self) -> Iterator[Call]:
        yield from self._begin()
        while True:
            yield from self._chance.pick(_MIX)(self)

    def _begin(self) -> Iterator[Call]:
        """The users, of whom some are tagged and the first become admins, the account's own policies, groups, roles."""
        world = self._state.world
        for number, name in enumerate(self._names):
            path = self._chance.pick(_PATHS)
            yield "CreateUser", {"user_name": name, "path": path, "tags": self._tags() if number % 3 == 0 else []}
            if number < ADMINS:
                arn = iam_arn(world.partition, self._state.account, "user", path, name)
                self._actors.append(Actor(id=self._id(name), arn=arn, access_key_id=self._new_id("AKIA")[:20]))
        for name in _OWN_POLICIES:
            yield "CreatePolicy", self._policy(name)
        for name in _GROUPS:
            yield "CreateGroup", {"group_name": name, "path": self._chance.pick(_PATHS)}
        for name in _ROLES:
            yield "CreateRole", {"role_name": name, "assume_role_policy_document": _TRUST}

    def _groups(self) -> Iterator[Call]:
        """Somebody joins a group or leaves it, or the group gets a policy or loses one."""
        group = self._chance.pick(_GROUPS)
        group_id = self._state.get(r.GROUPS, "", group) or ""
        name = self._chance.pick(self._names)
        match self._chance.randrange(8):
            case 0:
                yield from self._carry("Group", group, r.GROUP_POLICIES, group_id)
            case 1:
                document = self._document(_INLINE_DOCUMENTS)
                policy_name = self._chance.pick(_INLINE_POLICIES)
                yield (
                    "PutGroupPolicy",
                    {"group_name": group, "policy_name": policy_name, "policy_document": document},
                )
            case _ if self._state.get(r.GROUP_USERS, group_id, self._id(name)) is None:
                yield "AddUserToGroup", {"group_name": group, "user_name": name}
            case _:
                yield "RemoveUserFromGroup", {"group_name": group, "user_name": name}

    def _roles(self) -> Iterator[Call]:
        role = self._chance.pick(_ROLES)
        if self._chance.random() < 0.2:
            yield "TagRole", {"role_name": role, "tags": self._tags()}
        else:
            yield from self._carry("Role", role, r.ROLE_POLICIES, self._state.get(r.ROLES, "", role) or "")

    def _carry(self, kind: str, name: str, carried: Relation[str], owner: str) -> Iterator[Call]:
        """A group or a role gets a managed policy, or loses one when it has many."""
        attached = self._state.members(carried, owner)
        given = {f"{kind.lower()}_name": name}
        if self._chance.random() * 6 < len(attached):
            yield f"Detach{kind}Policy", {**given, "policy_arn": self._chance.pick(tuple(attached))}
        else:
            yield f"Attach{kind}Policy", {**given, "policy_arn": self._chance.pick(self._arns)}

    def _attachments(self) -> Iterator[Call]:
        name = self._chance.pick(self._names)
        attached = self._state.members(r.USER_POLICIES, self._id(name))
        if self._chance.random() * 8 < len(attached):
            yield "DetachUserPolicy", {"user_name": name, "policy_arn": self._chance.pick(tuple(attached))}
            return
        while (arn := self._chance.pick(self._arns)) in attached:
            pass
        yield "AttachUserPolicy", {"user_name": name, "policy_arn": arn}

    def _inline(self) -> Iterator[Call]:
        name = self._chance.pick(self._names)
        inline = tuple(self._state.members(r.USER_INLINE_POLICIES, self._id(name)))
        if self._chance.random() * (len(_INLINE_POLICIES) + 1) < len(inline):
            yield "DeleteUserPolicy", {"user_name": name, "policy_name": self._chance.pick(inline)}
            return
        policy_name, document = self._chance.pick(_INLINE_POLICIES), self._document(_INLINE_DOCUMENTS)
        yield "PutUserPolicy", {"user_name": name, "policy_name": policy_name, "policy_document": document}

    def _tagging(self) -> Iterator[Call]:
        name = self._chance.pick(self._names)
        tagged = tuple(self._state.members(r.USER_TAGS, self._id(name)))
        match self._chance.randrange(4):
            case 0:
                yield "TagPolicy", {"policy_arn": self._chance.pick(self._own_policies), "tags": self._tags()}
            case 1 if tagged:
                yield "UntagUser", {"user_name": name, "tag_keys": [self._chance.pick(tagged)]}
            case _:
                yield "TagUser", {"user_name": name, "tags": self._tags()}

    def _versions(self) -> Iterator[Call]:
        arn = self._chance.pick(self._own_policies)
        policy_id = self._state.get(r.POLICY_ARNS, "", arn)
        if policy_id is None:  # deleted by what was meant as a mistake
            yield "CreatePolicy", self._policy(policy_path_and_name(arn)[1])
            return
        versions = self._state.members(r.POLICY_VERSIONS, policy_id)
        others = [version for version in versions if version != self._state.get(r.POLICY_DEFAULT, policy_id)]
        if len(versions) == self._state.world.quotas.versions_per_policy or (others and self._chance.random() < 0.2):
            yield "DeletePolicyVersion", {"policy_arn": arn, "version_id": self._chance.pick(others)}
        elif others and self._chance.random() < 0.4:
            yield "SetDefaultPolicyVersion", {"policy_arn": arn, "version_id": self._chance.pick(others)}
        else:
            document = self._document(_MANAGED_DOCUMENTS)
            set_as_default = self._chance.random() < 0.7
            yield (
                "CreatePolicyVersion",
                {"policy_arn": arn, "policy_document": document, "set_as_default": set_as_default},
            )

    def _boundary(self) -> Iterator[Call]:
        name = self._chance.pick(self._names)
        if self._state.get(r.USER_BOUNDARY, self._id(name)) and self._chance.random() < 0.6:
            yield "DeleteUserPermissionsBoundary", {"user_name": name}
        else:
            boundary = self._chance.pick(self._arns)
            yield "PutUserPermissionsBoundary", {"user_name": name, "permissions_boundary": boundary}

    def _rename(self) -> Iterator[Call]:
        if (place := self._mortal()) is not None:
            self._last_number += 1
            old = self._names[place]
            self._names[place] = f"{old.partition('.')[0]}.{self._last_number}"
            yield "UpdateUser", {"user_name": old, "new_user_name": self._names[place]}

    def _replace(self) -> Iterator[Call]:
        """A user goes, and another one takes the name."""
        if (place := self._mortal()) is not None:
            name = self._names[place]
            user_id = self._id(name)
            for arn in tuple(self._state.members(r.USER_POLICIES, user_id)):
                yield "DetachUserPolicy", {"user_name": name, "policy_arn": arn}
            for policy_name in tuple(self._state.members(r.USER_INLINE_POLICIES, user_id)):
                yield "DeleteUserPolicy", {"user_name": name, "policy_name": policy_name}
            for group_id in tuple(self._state.members(r.USER_GROUPS, user_id)):
                group = known(self._state, r.GROUP, group_id).group_name
                yield "RemoveUserFromGroup", {"group_name": group, "user_name": name}
            yield "DeleteUser", {"user_name": name}
            yield "CreateUser", {"user_name": name, "path": self._chance.pick(_PATHS), "tags": self._tags()}

    def _mistake(self) -> Iterator[Call]:
        """A call that does not look first, and nearly always changes nothing."""
        name, arn = self._chance.pick(self._names), self._chance.pick(self._arns)
        attached = tuple(self._state.members(r.USER_POLICIES, self._id(name)))
        match self._chance.randrange(6):
            case 0 if attached:
                yield "AttachUserPolicy", {"user_name": name, "policy_arn": self._chance.pick(attached)}
            case 1:
                yield "AttachUserPolicy", {"user_name": f"{name}x", "policy_arn": arn}
            case 2:
                yield "CreateUser", {"user_name": name}
            case 3:
                yield "PutUserPolicy", {"user_name": name, "policy_name": "broken", "policy_document": "{}"}
            case 4:
                yield "DeletePolicy", {"policy_arn": self._chance.pick(self._own_policies)}
            case _:
                yield "DeleteUserPolicy", {"user_name": name, "policy_name": "gone"}

    def _id(self, name: str) -> str:
        return self._state.get(r.USERS, "", name) or ""

    def _mortal(self) -> int | None:
        """The place of a user who may be renamed or deleted, if there is one."""
        return self._chance.randrange(ADMINS, len(self._names)) if len(self._names) > ADMINS else None

    def _tags(self) -> list[dict[str, str]]:
        keys = self._chance.sample(tuple(_TAGS), self._chance.randint(1, 2))
        return [{"key": key, "value": self._chance.pick(_TAGS[key])} for key in keys]

    def _policy(self, name: str) -> dict[str, Any]:
        document = self._document(_MANAGED_DOCUMENTS)
        return {"policy_name": name, "policy_document": document, "description": f"For {name}."}

    def _document(self, templates: Sequence[str]) -> str:
        return self._chance.pick(templates).replace("BUCKET", f"data-{self._chance.randrange(1000)}")


_MIX = [
    kind
    for kind, share in (
        (_Life._attachments, 500),
        (_Life._groups, 30),
        (_Life._roles, 10),
        (_Life._inline, 250),
        (_Life._tagging, 70),
        (_Life._versions, 60),
        (_Life._boundary, 30),
        (_Life._rename, 15),
        (_Life._replace, 3),
        (_Life._mistake, 35),
    )
    for _ in range(share)
]


if __name__ == "__main__":
    sys.exit(main())
