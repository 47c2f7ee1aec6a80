"""Histories, drawn by Hypothesis: an account is led over HTTP, and must be what a model in plain dicts says it is.

Commands, repeats with the same invocation id, restores, restarts with a call in flight, some of them kills, rebuilds;
and between them reads, of the present and of instants, in AWS's API and the native one.
"""

import asyncio
import itertools
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import hypothesis
import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from faults.client import Client
from faults.house import House
from faults.model import CHANGED, PARTS, RESERVED, UNCHANGED, Asked, Model
from faults.quiet import quiet
from faults.trial import Figures, Trial

HISTORIES = 25  # in a round, and one beside these: Hypothesis always begins with the simplest there is
STEPS = 50
SECONDS_IN_FLIGHT_MAX = 0.003

ACCOUNT = "ACCOUNT"  # stands for the account in what is drawn
NAMES = ("alice", "Bob", "carol")
SPELLED = (*NAMES, "ALICE", "bob")
OF_AWS = (
    "arn:aws:iam::aws:policy/AdministratorAccess",
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    f"{RESERVED}AccessAnalyzerServiceRolePolicy",
)
OWN = tuple(f"arn:aws:iam::{ACCOUNT}:policy{path}" for path in ("/reader", "/Writer", "/eng/reader"))
ARNS = (*OF_AWS, *OWN)


def _document(number: int, length: int = 0) -> str:
    """A valid document, different for each number. With the length of 1,100, two are more than a user may have."""
    statement = f'{{"Sid":"S{number}{"x" * length}","Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}'
    return f'{{"Version": "2012-10-17","Statement":[{statement}]}}'


TEXTS = (*(_document(number) for number in range(4)), _document(4, 1100), _document(5, 1100))
TAGS = tuple({"key": key, "value": value} for key in ("team", "Team", "cost") for value in "xy")
KEYS = ("team", "COST", "Team")


def _calls(action: str, **choices: tuple[Any, ...]) -> st.SearchStrategy[tuple[str, Asked]]:
    """Any such call. A parameter that is None is left out."""
    combined = itertools.product(*choices.values())
    asked = [
        {name: value for name, value in zip(choices, values, strict=True) if value is not None} for values in combined
    ]
    return st.sampled_from([(action, each) for each in asked])


USERS = (
    _calls("CreateUser", user_name=NAMES, path=(None, "/eng/"), permissions_boundary=(None, *ARNS[:4])),
    _calls("CreateUser", user_name=NAMES, tags=tuple((tag,) for tag in TAGS)),
    _calls("UpdateUser", user_name=SPELLED, new_user_name=(None, *SPELLED), new_path=(None, "/", "/eng/")),
    _calls("DeleteUser", user_name=SPELLED),
)
TAGGED = (
    _calls("TagUser", user_name=SPELLED, tags=(*((tag,) for tag in TAGS), (TAGS[0], TAGS[5]))),
    _calls("UntagUser", user_name=SPELLED, tag_keys=(*((key,) for key in KEYS), ("team", "cost"))),
    _calls("TagPolicy", policy_arn=ARNS[1:], tags=tuple((tag,) for tag in TAGS)),
    _calls("UntagPolicy", policy_arn=ARNS[1:], tag_keys=(("team",), ("Team", "cost"))),
)
ATTACHED = (
    _calls("AttachUserPolicy", user_name=SPELLED, policy_arn=ARNS),
    _calls("AttachUserPolicy", user_name=NAMES, policy_arn=(*OF_AWS[:2], OWN[0])),
    _calls("DetachUserPolicy", user_name=SPELLED, policy_arn=ARNS),
)
INLINE = (
    _calls("PutUserPolicy", user_name=SPELLED, policy_name=("one", "ONE", "two"), policy_document=TEXTS),
    _calls("DeleteUserPolicy", user_name=SPELLED, policy_name=("one", "ONE", "two")),
)
BOUNDED = (
    _calls("PutUserPermissionsBoundary", user_name=SPELLED, permissions_boundary=ARNS),
    _calls("DeleteUserPermissionsBoundary", user_name=SPELLED),
)
POLICIES = (
    _calls("CreatePolicy", policy_name=("reader", "Writer", "READER"), path=(None, "/eng/"), policy_document=TEXTS[:2]),
    _calls("DeletePolicy", policy_arn=ARNS[1:]),
    _calls("CreatePolicyVersion", policy_arn=OWN, policy_document=TEXTS, set_as_default=(True, False)),
    _calls("SetDefaultPolicyVersion", policy_arn=ARNS[1:], version_id=("v1", "v2", "v3")),
    _calls("DeletePolicyVersion", policy_arn=OWN, version_id=("v1", "v2", "v3")),
)
ANY = st.one_of(*USERS, *TAGGED, *ATTACHED, *INLINE, *BOUNDED, *POLICIES)
PARTS_DRAWN = st.sampled_from((PARTS, *((part,) for part in PARTS), PARTS[:2], PARTS[1:]))
PLACES = st.integers(0, 99)
PAST = st.sampled_from(("position", "its time", "just before", "this moment", "a moment told of before"))
UPKEEP = st.sampled_from(("restart",) * 30 + ("rebuild",) * 10 + ("remake",) * 9 + ("kill",))


class Sent(msgspec.Struct, frozen=True):
    """A call that was sent, and its answer: the envelope. `life` is the service's own that answered it."""

    command_id: str
    path: str
    body: dict[str, Any]
    agent: str | None
    answer: Any = None
    life: int = 0

    @property
    def recorded(self) -> bool:
        """Whether it surely has a record. A call that changed nothing may only have been counted with one like it."""
        return self.agent is not None or (self.answer["success"] and self.answer["data"]["outcome"] == CHANGED)


class Past(msgspec.Struct, frozen=True):
    """What the account was from a record on, and when that was recorded."""

    position: int
    at: datetime | None
    model: Model


class Instant(msgspec.Struct, frozen=True):
    """An instant as it is asked for, what the account was then, and between which positions that is. None is now."""

    text: str | None
    lowest: int
    highest: int
    model: Model


class History(RuleBasedStateMachine):
    """The life of one account. `house` is where the service is, `figures` count what was done."""

    house: ClassVar[House]
    figures: ClassVar[Counter[str]]
    accounts: ClassVar[Iterator[int]]

    def __init__(self) -> None:
        super().__init__()
        self._account = str(next(self.accounts))
        self._client = Client(self._account, self.house.address)
        self._model = Model(self._account, OF_AWS)
        self._past = [Past(0, None, self._model.copy())]
        self._told: list[Instant] = []
        self._sent: list[Sent] = []
        self._head = self._steps = 0
        self._ids = itertools.count(1)

    @initialize()
    def begin(self) -> None:
        """There are a user and a policy."""
        self._call(("CreateUser", {"user_name": NAMES[0]}), None)
        self._call(("CreatePolicy", {"policy_name": "reader", "policy_document": TEXTS[0]}), None)

    @rule(call=st.one_of(*USERS), alone=st.booleans())
    def users(self, call: tuple[str, Asked], alone: bool) -> None:
        self._step("calls")
        self._call(call, alone)

    @rule(call=st.one_of(*TAGGED), alone=st.booleans())
    def tags(self, call: tuple[str, Asked], alone: bool) -> None:
        self._step("calls")
        self._call(call, alone)

    @rule(call=st.one_of(*ATTACHED), alone=st.booleans())
    def attachments(self, call: tuple[str, Asked], alone: bool) -> None:
        self._step("calls")
        self._call(call, alone)

    @rule(call=st.one_of(*INLINE), alone=st.booleans())
    def inline_policies(self, call: tuple[str, Asked], alone: bool) -> None:
        self._step("calls")
        self._call(call, alone)

    @rule(call=st.one_of(*BOUNDED), alone=st.booleans())
    def boundaries(self, call: tuple[str, Asked], alone: bool) -> None:
        self._step("calls")
        self._call(call, alone)

    @rule(call=st.one_of(*POLICIES), alone=st.booleans())
    def policies(self, call: tuple[str, Asked], alone: bool) -> None:
        self._step("calls")
        self._call(call, alone)

    @rule(name=st.sampled_from(SPELLED), place=PLACES, kind=PAST, parts=PARTS_DRAWN, dry_run=st.booleans())
    def restore(self, name: str, place: int, kind: str, parts: tuple[str, ...], dry_run: bool) -> None:
        self._step("restores")
        instant = self._instant(place, kind)
        body = {"at": instant.text, "parts": parts, "dry_run": dry_run}
        steps = self._model.restoring(instant.model, name, parts)
        sent = self._request(f"/v1/users/{name}/restore", body, alone=True)
        answer = self._post(sent)
        if dry_run:
            self._rehearsed(steps, answer)
            return
        self._keep(sent, answer)
        if isinstance(steps, str):
            _agree("the refusal of a restore", _code(answer), _upper(steps))
            return
        data = _data(answer)
        _agree("the outcome of a restore", data["outcome"], CHANGED if steps else UNCHANGED)
        _agree("how many events a restore has", len(data["events"]), len(steps))
        for (action, asked), event in zip(steps, data["events"], strict=True):
            self._changed(action, asked, event["position"], event["recorded_at"])

    @rule(place=PLACES, other=st.booleans())
    def repeat(self, place: int, other: bool) -> None:
        """The same answer again; or, if it is another call under the same id, a refusal."""
        self._step("repeats")
        known = [sent for sent in self._sent if sent.recorded or sent.life == self.house.lives]
        sent = known[place % len(known)]
        if other:
            body = {"Action": "DeleteUser", "UserName": "nobody"}
            answer = self._post(msgspec.structs.replace(sent, path="/", body=body))
            _agree("another call under the same id", _code(answer), "IDEMPOTENT_PARAMETER_MISMATCH")
        else:
            _agree("a repeat", self._post(sent), sent.answer)

    @rule(place=PLACES, kind=PAST, way=st.sampled_from(("users", "policies", "native users", "holders")))
    def look_at_instant(self, place: int, kind: str, way: str) -> None:
        self._step("reads_at_instants")
        self._look(self._instant(place, kind), way)

    @rule(way=st.sampled_from(("users", "policies", "native users", "holders")))
    def look_at_present(self, way: str) -> None:
        self._step("reads")
        self._look(Instant(None, self._head, sys.maxsize, self._model), way)

    @rule(what=UPKEEP, first=ANY, last=ANY, seconds=st.floats(0, SECONDS_IN_FLIGHT_MAX))
    def upkeep(self, what: str, first: tuple[str, Asked], last: tuple[str, Asked], seconds: float) -> None:
        """The service ends while a call is in flight, and starts anew. The call is repeated then."""
        self._step("kills" if what == "kill" else "restarts")
        if what == "kill":
            self.house.run(self._client.close())
            self.house.run(self.house.move_out())
        self._call(first, False)
        sent = self._request("/", _body(self._own(last)), alone=True)
        early = self.house.run(self._interrupt(sent, seconds))
        if what == "rebuild":
            self.figures["rebuilds"] += 1
            self.house.run(self.house.rebuild())
        elif what == "remake":
            self.figures["rebuilds"] += 1
            self.house.lose_projections()
        self.house.run(self.house.start())
        answer = self._post(sent)
        if early is not None:
            _agree("the answer to a call that was repeated after a restart", answer, early)
        self._keep(sent, answer)
        self._judge(self._own(last), answer)

    def teardown(self) -> None:
        """All records are there once, and all ways to look agree about the present."""
        if self._head == 0:
            return
        for way in ("users", "policies", "native users", "holders"):
            self._look(Instant(None, self._head, sys.maxsize, self._model), way)
        self._check_records()
        self.house.run(self._client.close())
        self.figures["histories"] += self._steps == STEPS

    # calls

    def _step(self, kind: str) -> None:
        self._steps += 1
        self.figures["steps"] += 1
        self.figures[kind] += 1

    def _call(self, call: tuple[str, Asked], alone: bool | None) -> None:
        """Send a command, and hold its answer against the model. `alone`: it is not to be counted with others."""
        own = self._own(call)
        sent = self._request("/", _body(own), alone=bool(alone))
        answer = self._post(sent)
        self._keep(sent, answer)
        self._judge(own, answer)

    def _own(self, call: tuple[str, Asked]) -> tuple[str, Asked]:
        """The call with the account in its ARNs."""
        action, asked = call
        return action, {
            name: value.replace(ACCOUNT, self._account) if isinstance(value, str) else value
            for name, value in asked.items()
        }

    def _request(self, path: str, body: dict[str, Any], *, alone: bool) -> Sent:
        number = next(self._ids)
        return Sent(f"{self._account}-{number}", path, body, f"agent-{number}" if alone else None)

    def _post(self, sent: Sent) -> Any:
        reply = self.house.run(self._client.post(sent.path, sent.body, sent.command_id, sent.agent))
        _agree("whether the service can answer", reply.status < 500, True, reply)
        return reply.envelope

    async def _interrupt(self, sent: Sent, seconds: float) -> Any:
        """Send it, and end the service a moment later. The answer, if it came."""
        sending = asyncio.create_task(self._client.post(sent.path, sent.body, sent.command_id, sent.agent))
        await asyncio.wait([sending], timeout=seconds)
        await self.house.stop()
        try:
            reply = await sending
        except (OSError, EOFError):
            return None
        await self._client.close()
        return None if reply.status == 503 else reply.envelope

    def _keep(self, sent: Sent, answer: Any) -> None:
        self._sent.append(msgspec.structs.replace(sent, answer=answer, life=self.house.lives))

    def _judge(self, call: tuple[str, Asked], answer: Any) -> None:
        """The answer to a command is what the model says, which goes on with it."""
        action, asked = call
        if not answer["success"]:
            _agree(f"the refusal of {action}", _code(answer), _upper(self._model.do(action, asked)))
            return
        data = answer["data"]
        if data["outcome"] == CHANGED:
            made = (data.get("User") or {}).get("UserId") or (data.get("Policy") or {}).get("PolicyId") or ""
            self._changed(action, asked, data["position"], data["created_at"], made)
        else:
            _agree(f"the outcome of {action}", data["outcome"], self._model.do(action, asked))
            self._head = max(self._head, data["position"])

    def _changed(self, action: str, asked: Asked, position: int, at: str, made: str = "") -> None:
        _agree("whether positions grow", position > self._head, True, position, self._head)
        self._head = self._model.position = position
        _agree(f"the outcome of {action}", CHANGED, self._model.do(action, asked, made))
        self._past.append(Past(position, datetime.fromisoformat(at), self._model.copy()))

    def _rehearsed(self, steps: str | list[Any], answer: Any) -> None:
        if steps == "NoSuchEntity":
            _agree("the refusal of a rehearsal", _code(answer), _upper(steps))
            return
        data = _data(answer)
        _agree("whether a restore has conflicts", bool(data["conflicts"]), isinstance(steps, str))
        if not isinstance(steps, str):
            _agree("how many events a restore would have", len(data["events"]), len(steps))

    # reads

    def _instant(self, place: int, kind: str) -> Instant:
        """An instant of the past, of this kind."""
        if kind == "a moment told of before" and self._told:
            return self._told[place % len(self._told)]
        if kind == "position":
            position = place % (self._head + 1)
            model = next(past.model for past in reversed(self._past) if past.position <= position)
            return Instant(f"@{position}", position, position, model)
        if kind in ("its time", "just before"):
            number = 1 + place % (len(self._past) - 1)
            past = self._past[number]
            assert past.at is not None
            if kind == "its time":
                return Instant(_written(past.at), past.position, past.position, past.model)
            before = self._past[number - 1]
            return Instant(
                _written(past.at - timedelta(microseconds=1)), before.position, past.position - 1, before.model
            )
        return Instant(_written(datetime.now(UTC)), self._head, sys.maxsize, self._model.copy())

    def _look(self, instant: Instant, way: str) -> None:
        """What is told of the instant is what the model was then."""
        if way == "users":
            self._look_at_users(instant)
        elif way == "policies":
            self._look_at_policies(instant)
        elif way == "holders":
            self._look_at_holders(instant)
        else:
            self._look_natively(instant)

    def _look_at_users(self, instant: Instant) -> None:
        users = {}
        for listed in self._aws(instant, "ListUsers")["Users"]:
            name = listed["UserName"]
            user = self._aws(instant, "GetUser", UserName=name)["User"]
            attached = self._aws(instant, "ListAttachedUserPolicies", UserName=name)["AttachedPolicies"]
            inline = {
                policy: self._aws(instant, "GetUserPolicy", UserName=name, PolicyName=policy)["PolicyDocument"]
                for policy in self._aws(instant, "ListUserPolicies", UserName=name)["PolicyNames"]
            }
            users[user["UserId"]] = (
                name,
                user["Path"],
                user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
                {tag["Key"]: tag["Value"] for tag in user.get("Tags", ())},
                {policy["PolicyArn"] for policy in attached},
                inline,
            )
        expected = {
            user["id"]: (
                user["name"],
                user["path"],
                user["boundary"],
                dict(user["tags"].values()),
                set(user["attached"]),
                {name: document for name, document, _ in user["inline"].values()},
            )
            for user in instant.model.users.values()
        }
        _agree(f"the users at {instant.text}", users, expected)

    def _look_at_policies(self, instant: Instant) -> None:
        policies = {}
        for listed in self._aws(instant, "ListPolicies", Scope="Local")["Policies"]:
            arn = listed["Arn"]
            versions = self._aws(instant, "ListPolicyVersions", PolicyArn=arn)["Versions"]
            policies[arn] = (
                listed["PolicyId"],
                listed["DefaultVersionId"],
                {
                    version["VersionId"]: self._aws(
                        instant, "GetPolicyVersion", PolicyArn=arn, VersionId=version["VersionId"]
                    )["PolicyVersion"]["Document"]
                    for version in versions
                },
                {tag["Key"]: tag["Value"] for tag in self._aws(instant, "ListPolicyTags", PolicyArn=arn)["Tags"]},
            )
        expected = {
            arn: (policy["id"], policy["default"], policy["versions"], dict(policy["tags"].values()))
            for arn, policy in instant.model.policies.items()
        }
        _agree(f"the policies at {instant.text}", policies, expected)

    def _look_at_holders(self, instant: Instant) -> None:
        for arn in (*OF_AWS[:2], *instant.model.policies):
            at = "" if instant.text is None else f"?at={quote(instant.text)}"
            data = self._get(instant, f"/v1/policies/{quote(arn)}/attachments{at}")
            told = {(each["via"], each["user_id"], each["user_name"]) for each in data["attachments"]}
            users = instant.model.users.values()
            expected = {("attached", user["id"], user["name"]) for user in users if arn in user["attached"]}
            expected |= {("boundary", user["id"], user["name"]) for user in users if arn == user["boundary"]}
            _agree(f"who carries {arn} at {instant.text}", told, expected)
            listed = self._aws(instant, "ListEntitiesForPolicy", PolicyArn=arn)["PolicyUsers"]
            _agree(
                f"the entities of {arn} at {instant.text}",
                {(user["UserId"], user["UserName"]) for user in listed},
                {(user_id, name) for _, user_id, name in expected},
            )

    def _look_natively(self, instant: Instant) -> None:
        at = "" if instant.text is None else f"?at={quote(instant.text)}"
        for name in NAMES:
            user = instant.model.user(name)
            if user is None:
                reply = self.house.run(self._client.get(f"/v1/users/{name}{at}"))
                _agree(f"whether there is a {name} at {instant.text}", _code(reply.envelope), "NO_SUCH_ENTITY")
                continue
            everything = self._get(instant, f"/v1/users/{name}{at}")
            told = (
                everything["user_id"],
                everything["user_name"],
                everything["path"],
                everything["permissions_boundary"],
                {tag["key"]: tag["value"] for tag in everything["tags"]},
            )
            expected = (user["id"], user["name"], user["path"], user["boundary"], dict(user["tags"].values()))
            _agree(f"{name} at {instant.text}", told, expected)
            sets = self._get(instant, f"/v1/users/{name}/policies{at}")
            _agree(
                f"the policies of {name} at {instant.text}",
                (
                    {each["policy_arn"]: each["position"] for each in sets["attached"]},
                    {each["policy_name"]: (each["policy_document"], each["position"]) for each in sets["inline"]},
                ),
                (user["attached"], {policy[0]: policy[1:] for policy in user["inline"].values()}),
            )

    def _aws(self, instant: Instant, action: str, **parameters: Any) -> Any:
        """The answer of AWS's API."""
        path = "/" if instant.text is None else f"/at/{instant.text}/"
        reply = self.house.run(self._client.call(None, action, parameters, path))
        return self._of(instant, _data(reply.envelope))

    def _get(self, instant: Instant, target: str) -> Any:
        """The answer of the native API."""
        return self._of(instant, _data(self.house.run(self._client.get(target)).envelope))

    def _of(self, instant: Instant, data: Any) -> Any:
        """The data, whose basis must be the instant. From now on that instant is known to the position."""
        if (basis := data.get("basis")) is None:
            return data
        position = basis["position"]
        right = instant.lowest <= position <= instant.highest
        _agree(f"the position of {instant.text}", right, True, basis, instant.lowest, instant.highest)
        self._head = max(self._head, position)
        if instant.text is not None and instant.highest == sys.maxsize:
            self._told.append(msgspec.structs.replace(instant, lowest=position, highest=position))
        return data

    def _check_records(self) -> None:
        """The ledger has no gaps, and every call's records once, where it was told that they are."""
        records: list[Any] = []
        cursor = ""
        while cursor is not None:
            page = _data(self.house.run(self._client.get(f"/v1/events?limit=1000{cursor}")).envelope)
            records += page["events"]
            cursor = page["cursor"] and f"&cursor={quote(page['cursor'])}"
        _agree("whether positions are dense", [record["position"] for record in records], list(_to(len(records))))
        changed = [record["position"] for record in records if record["outcome"] == CHANGED]
        _agree("which records changed something", changed, [past.position for past in self._past[1:]])
        commands = Counter((record["command_id"], record.get("command_index", 0)) for record in records)
        _agree("which calls are recorded twice", [key for key, times in commands.items() if times > 1], [])
        of_command: dict[str, list[str]] = {}
        for record in records:
            of_command.setdefault(record["command_id"], []).append(record["id"])
        for sent in self._sent:
            if sent.answer["success"] and sent.recorded:
                known = sent.answer["data"]["id"] in of_command.get(sent.command_id, ())
                _agree(f"whether {sent.command_id} is recorded", known, True)


class Difference(AssertionError):
    """The service and the model disagree."""


def _agree(what: str, told: Any, expected: Any, *about: Any) -> None:
    if told != expected:
        raise Difference(f"{what}: the service says {told!r}, the model {expected!r} {about or ''}")


def _body(call: tuple[str, Asked]) -> dict[str, Any]:
    """A call as the service reads it, with AWS's spelling."""
    action, asked = call
    body: dict[str, Any] = {"Action": action}
    for name, value in asked.items():
        told = [{"Key": tag["key"], "Value": tag["value"]} for tag in value] if name == "tags" else value
        body[name.title().replace("_", "")] = told
    return body


def _data(answer: Any) -> Any:
    _agree("whether it is a success", answer["success"], True, answer)
    return answer["data"]


def _code(answer: Any) -> str:
    return "none" if answer["success"] else answer["error"]["code"]


def _upper(code: str) -> str:
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in code).lstrip("_")


def _to(last: int) -> range:
    return range(1, last + 1)


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


def play(seed: int, folder: Path) -> Figures:
    """A round of histories, each of an account of its own, all of one service."""
    figures = Counter(dict.fromkeys(("differences", "histories", "steps", "kills"), 0))
    house = House(folder / "data")
    try:
        with quiet():
            house.run(house.start())
            run_state_machine_as_test(
                hypothesis.seed(seed)(_machine(house, figures)),
                settings=settings(
                    max_examples=HISTORIES + 1,
                    stateful_step_count=STEPS + 1,  # `begin` is one
                    deadline=None,
                    database=None,
                    phases=(Phase.generate, Phase.shrink),
                    suppress_health_check=list(HealthCheck),
                ),
            )
    except Exception:
        traceback.print_exc()
        figures["differences"] += 1
    finally:
        house.close()
    return figures


def _machine(house: House, figures: Counter[str]) -> type[History]:
    """The state machine in this house."""
    given = {"house": house, "figures": figures, "accounts": itertools.count(210_000_000_001)}
    return type("History", (History,), given)


TRIAL = Trial(
    name="histories",
    about="accounts led over HTTP, with restarts, kills and rebuilds, against a model in plain dicts",
    rounds=450,  # some of the histories that Hypothesis draws end early, and are not counted
    play=play,
    must_be_zero=("differences",),
    must_not_be_zero=("histories", "calls", "restores", "repeats", "reads_at_instants", "restarts", "rebuilds"),
)
