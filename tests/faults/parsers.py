"""Whatever bytes come in, a parser gives a value or its refusal: no other exception, and no hang.

A round plays one parser, another in each round, by atheris, which lets the code that an input reaches choose the next
input. Where atheris is not there, inputs are mutated without such guidance. Inputs begin as good ones, so that what
lies behind the first checks is reached. There is no parser yet for what `import` will read.
"""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import traceback
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from types import FrameType, SimpleNamespace
from typing import Any, Final

import msgspec
from multidict import CIMultiDict
from yarl import URL

from api.actions import IAM as ACTIONS
from api.answers import valid
from api.aws import IAM
from api.caller import unauthenticated
from api.cursors import cursor_of, read_cursor
from api.events import EVENTS
from api.guard import check_browser
from api.instants import parse_bound, parse_instant
from api.listings import Listing
from api.pages import start_of
from api.parameters import from_form, from_json, read_form, read_json
from api.query_string import parameters
from api.restores import RestoreRequest
from api.tables import table_format
from eventstore.notes import BadNote, PublicKey, SigningKey, TreeHead, check, read
from eventstore.record import Actor, Attempt, Record, Row, from_microseconds, id_time, open_envelope
from faults.trial import Figures, Trial
from iam.arns import parse_arn, policy_path_and_name
from iam.document_diff import diff_documents
from iam.documents import counted_size, validate
from iam.errors import IamError
from iam.events.users import UserCreated
from iam.users import ListUsers
from projections.records import UnknownEvent, read_event, read_record

RUNS = 200_000  # in each round
SECONDS_MAX = 10  # for one input
BYTES_MAX = 4096
ROOT: Final = Path(__file__).parents[2]

ARN = "arn:aws:iam::123456789012:policy/team/deploy"
POLICY = (
    '{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"A1","Effect":"Allow","Action":["s3:Get*","iam:*"],'
    '"Resource":"arn:aws:s3:::reports/${aws:username}/*","Condition":{"StringEquals":{"aws:username":["a","b"]},'
    '"DateLessThan":{"aws:CurrentTime":"2026-01-01T00:00:00Z"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},'
    '"Bool":{"aws:SecureTransport":true}}},{"Effect":"Deny","NotAction":"sts:AssumeRole","NotResource":["*"]}]}'
)
LEGACY = '{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
QUESTION = ("events", "123456789012")
AT = from_microseconds(1_700_000_000_000_000)
ACTOR = Actor(id="123456789012", arn="arn:aws:iam::123456789012:root")
KEY = SigningKey(b"\1" * 32)
HEAD = TreeHead("iam-ledger/1f2e3d4c5b6a7988/123456789012", 42, b"\2" * 32)


Read = Callable[[bytes], object]


class Parser(msgspec.Struct, frozen=True):
    """Something that reads what others have written: how it is called, what it may raise, and good inputs."""

    read: Read
    refusals: tuple[type[Exception], ...]
    good: tuple[bytes, ...]


def _request(url: URL, headers: Mapping[str, str]) -> Any:
    """As much of a request as the readers of its head look at."""
    return SimpleNamespace(query=url.query, headers=CIMultiDict(headers))


def _form(data: bytes) -> None:
    """A form with an action's parameters, in a body and in a URL."""
    for body in (data, data.decode(errors="surrogateescape")):
        form = read_form(body)
        from_form(IAM.operations[form["Action"] if form.get("Action") in ACTIONS else "CreateUser"], form)


def _json(data: bytes) -> None:
    """The same as JSON, and what a restore is asked with."""
    body = read_json(data)
    try:
        msgspec.json.decode(data, type=RestoreRequest)
    except msgspec.DecodeError:
        action = msgspec.json.decode(body["Action"]) if "Action" in body else None
        from_json(IAM.operations[action if isinstance(action, str) and action in ACTIONS else "CreateUser"], body)


def _query_string(data: bytes) -> None:
    """What stands behind the `?`, as far as a list of records reads it."""
    text = data.decode(errors="surrogateescape")
    headers = {"Accept": "text/csv"} if data[:1] == b"l" else {}
    http = _request(URL.build(path="/", query_string=text, encoded=True), headers)
    asked = parameters(http, EVENTS)
    parse_bound(asked, "from")
    Listing(http, asked, QUESTION, int)


def _instant(data: bytes) -> None:
    """A time, a position, and an event id."""
    text = valid(data.decode(errors="surrogateescape"))
    id_time(text)
    with suppress(IamError):
        parse_instant(text)


def _cursor(data: bytes) -> None:
    """A cursor, a marker, and the JSON inside of them."""
    for text in (valid(data.decode(errors="surrogateescape")), urlsafe_b64encode(data).decode()):
        for kind in (int, tuple[int, tuple[int, str, str]], tuple[int, str, str]):
            try:
                read_cursor(text, QUESTION, kind)
            except IamError:
                continue
        try:
            start_of(ListUsers(path_prefix="/"), text)
        except IamError:
            continue


def _policy(data: bytes) -> None:
    """A policy document, alone and beside another."""
    text = data.decode(errors="replace")
    counted_size(text)
    for other in (POLICY, LEGACY):
        diff_documents(text, other)
        diff_documents(other, text)
    validate(text, managed=b"2012-10-17" in data)


def _record(data: bytes) -> None:
    """A stored record: whole, its event alone, its envelope alone."""
    for way in (read_record, read_event):
        try:
            way(data)
        except (UnknownEvent, msgspec.DecodeError):
            continue
    open_envelope(Row("123456789012", 1, 0, "", 0, data, b""))


def _note(data: bytes) -> None:
    """A checkpoint and a key, as somebody kept them."""
    text = data.decode(errors="replace")
    for way in (read, PublicKey.parse, lambda note: check(note, KEY.public(HEAD.origin))):
        try:
            way(text)
        except BadNote:
            continue


def _header(data: bytes) -> None:
    """What headers say of the caller, of the browser, and of the form of the answer."""
    text = data.decode(errors="surrogateescape")
    unauthenticated(valid(text), "123456789012", "aws")
    table_format(_request(URL(), {"Accept": text}))
    for headers in ({"Host": text}, {"Host": "localhost", "Origin": text}):
        try:
            check_browser(_request(URL(), headers))
        except IamError:
            continue


def _arn(data: bytes) -> None:
    """An ARN, and the path in it."""
    text = data.decode(errors="replace")
    parse_arn(text)
    policy_path_and_name(text)


def _records() -> tuple[bytes, ...]:
    event = UserCreated(user_id="AIDA1", user_name="alice", path="/", created_at=AT)
    told: dict[str, Any] = {"account": "123456789012", "id": "", "recorded_at": AT, "effective_at": AT, "actor": ACTOR}
    told |= {"action": "CreateUser", "command_id": "a", "previous": "0" * 64}
    attempt = Attempt(parameters={"user_name": "alice"}, code="NoSuchEntity", message="no")
    records = (
        Record(position=1, outcome="changed", event=event, **told),
        Record(position=2, outcome="refused", attempt=attempt, **told),
    )
    return tuple(msgspec.json.encode(record) for record in records)


PARSERS: Mapping[str, Parser] = {
    "forms": Parser(
        _form,
        (IamError,),
        (
            b"Action=CreateUser&Version=2010-05-08&UserName=al%2Bice&Tags.member.1.Key=a&Tags.member.1.Value=b+c",
            b"Action=ListPolicies&MaxItems=%2B010&OnlyAttached=true&Scope=Local&PathPrefix=/a/",
            b"Action=UntagUser&UserName=a&TagKeys.member.1=a&TagKeys.member.2=b",
        ),
    ),
    "json": Parser(
        _json,
        (IamError,),
        (
            b'{"Action":"CreateUser","UserName":"alice","Tags":[{"Key":"a","Value":"\\u00e9"}],"Path":null}',
            b'{"Action":"ListPolicies","MaxItems":10,"OnlyAttached":true}',
            b'{"Action":"PutUserPolicy","UserName":"a","PolicyName":"b","PolicyDocument":' + LEGACY.encode() + b"}",
            b'{"at":"@4","dry_run":true,"parts":["attached","tags"]}',
        ),
    ),
    "query strings": Parser(
        _query_string,
        (IamError,),
        (
            b"user=alice&from=@1&to=2026-11-03T14:03:00%2B01:00&outcome=changed&order=desc&limit=10",
            b"limit=999&cursor=" + str(cursor_of(QUESTION, 4)).encode(),
        ),
    ),
    "instants": Parser(
        _instant,
        (),
        (
            b"2026-11-03T14:03:00.123456Z",
            b"20261103T140300+0100",
            b"2026-W45-2t14:03:00,5 01:00",
            b"@17",
            b"01a201ee-f440-791f-a59f-90b6777e7913",
        ),
    ),
    "cursors": Parser(
        _cursor,
        (),
        (
            str(cursor_of(QUESTION, 4)).encode(),
            str(cursor_of(QUESTION, (4, (1, "attached", "AIDA1")))).encode(),
            b'["0123456789abcdef",[4,[1,"attached","AIDA1"]]]',
            b'["0123456789abcdef","alice"]',
        ),
    ),
    "policy documents": Parser(_policy, (IamError,), (POLICY.encode(), LEGACY.encode())),
    "stored records": Parser(_record, (msgspec.DecodeError,), _records()),
    "checkpoint notes": Parser(
        _note, (), (KEY.sign(HEAD).encode(), KEY.public(HEAD.origin).text.encode(), HEAD.text.encode())
    ),
    "headers": Parser(
        _header,
        (),
        (
            b"AWS4-HMAC-SHA256 Credential=123456789012/20261103/us-east-1/iam/aws4_request, SignedHeaders=host",
            b"text/csv;q=0.5, application/json;q=1, */*;q=0.1",
            b"http://[::1]:8080",
            b"localhost:8080",
        ),
    ),
    "arns": Parser(_arn, (IamError,), (ARN.encode(), b"arn:aws:iam::aws:policy/service-role/x")),
}


def play(seed: int, folder: Path) -> Figures:
    """One parser, `RUNS` inputs. An input that breaks it is told on stderr, and ends the round."""
    name = list(PARSERS)[seed % len(PARSERS)]
    figures = _guided(name, seed, folder) if guided() else _unguided(PARSERS[name], seed)
    return {
        "runs": 0,
        "runs guided by atheris": 0,
        "crashes": 0,
        "hangs": 0,
        f"runs of {name}": figures["runs"],
        **figures,
    }


def guided() -> bool:
    """Whether atheris is there."""
    return importlib.util.find_spec("atheris") is not None


def _guided(name: str, seed: int, folder: Path) -> dict[str, int]:
    """By atheris, in a process of its own, which it takes over."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, good in enumerate(PARSERS[name].good):
        (corpus / str(number)).write_bytes(good)
    command = [sys.executable, "-m", "faults._fuzzer", name, str(corpus)]
    flags = [f"-runs={RUNS}", f"-seed={seed}", f"-timeout={SECONDS_MAX}", f"-max_len={BYTES_MAX}"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    done = subprocess.run(
        [*command, *flags, f"-artifact_prefix={folder}/"], capture_output=True, env=environment, text=True
    )
    runs = re.findall(r"^Done ([0-9]+) runs", done.stderr, re.MULTILINE) or re.findall(r"^#([0-9]+)", done.stderr, re.M)
    broken = [path.read_bytes() for path in folder.iterdir() if path.is_file()]
    hangs = len(list(folder.glob("timeout-*")))
    if done.returncode or broken:
        print(f"{name}: {broken}\n{done.stdout[-2000:]}{done.stderr[-2000:]}", file=sys.stderr)
    counted = int(runs[-1]) if runs else 0
    return {
        "runs": counted,
        "runs guided by atheris": counted,
        "crashes": int(done.returncode != 0 and not hangs),
        "hangs": hangs,
    }


class Hang(BaseException):
    """An input took too long."""


def _unguided(parser: Parser, seed: int) -> dict[str, int]:
    """By mutation, in this process."""
    random = Random(seed)

    def end(signal_number: int, frame: FrameType | None) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, end)
    figures = {"runs": 0, "crashes": 0, "hangs": 0}
    data = b""
    try:
        for _ in range(RUNS):
            data = mutated(random, parser.good)
            figures["runs"] += 1
            signal.setitimer(signal.ITIMER_REAL, SECONDS_MAX)
            try:
                parser.read(data)
            except parser.refusals:
                continue
    except (Exception, Hang) as error:
        figures["hangs" if isinstance(error, Hang) else "crashes"] += 1
        print(f"{data!r}\n{traceback.format_exc()}", file=sys.stderr)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return figures


def mutated(random: Random, good: tuple[bytes, ...]) -> bytes:
    """One of the good inputs, with something about it changed, more or less often."""
    data = random.choice(good)
    for _ in range(random.choice((0, 1, 1, 2, 4, 16))):
        begin, end = sorted(random.choices(range(len(data) + 1), k=2))
        other = random.choice(good)
        cut = other[slice(*sorted(random.choices(range(len(other) + 1), k=2)))]
        part = random.choice(
            (
                b"",
                random.randbytes(1),
                bytes([random.choice(b"\"'{}[]&=%.:,/@+-\\0 9\n\x00\xff")]),
                cut,
                data[begin:end] * 2,
            )
        )
        end = random.choice((begin, min(begin + 1, end), end))
        data = (data[:begin] + part + data[end:])[:BYTES_MAX]
    return data


TRIAL = Trial(
    name="parsers",
    about="bytes of every kind for every parser: none may crash it or make it hang",
    rounds=50,  # 10 million runs
    play=play,
    must_be_zero=("crashes", "hangs"),
    must_not_be_zero=("runs",),
)
