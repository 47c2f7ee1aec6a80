"""`python -m tools.reference` writes docs/api.md from the code's own tables; with `--check` it only compares.

What no table says (how to call, what a query parameter means) is told here. Which refusals and quotas an action
can meet is read from the source of its decision and of all that this calls.
"""

import argparse
import ast
import inspect
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any, Final, cast

from api import actions, native
from api.app import COMMAND_ID_CHARACTERS_MAX, COMMAND_ID_HEADERS, HEALTH, READINESS
from api.aws import IAM, STS
from api.body import BODY_BYTES_MAX
from api.constraints import empty_list, must_not_be_empty
from api.errors import RETRY_AFTER_SECONDS, STATUS, upper_snake
from api.events import OUTCOMES
from api.flow import STALLED_SECONDS
from api.followers import FOLLOWERS_MAX
from api.listings import ROWS_PER_PAGE, ROWS_PER_PAGE_MAX
from api.model import Listing, Mapped, Member, Operation, Scalar, Shape, Structure
from api.pages import ITEMS_PER_PAGE
from api.stream import HEARTBEAT_SECONDS
from iam.errors import IamError, MalformedInput, ValidationError
from iam.quotas import Quotas
from tools.__main__ import _parser as command_line

PAGE: Final = Path(__file__).parent.parent / "docs" / "api.md"
MODEL: Final = f"botocore {version('botocore')}"
OF_THE_MODEL: Final = ("Actions", "What is not there")
"""The sections that another release of botocore may change, though nothing here has changed."""

ANY_ACTION: Final = (ValidationError, MalformedInput)
"""Refusals that every action with parameters can meet; they are told once."""

AT: Final = "an instant, which is an RFC 3339 time or `@position`; the present if not given. A space is read as `+`"

ORDER: Final = "`asc`, or `desc` for newest first; `asc` if not given"

LIMIT: Final = (
    f"1 to {ROWS_PER_PAGE_MAX:,}; {ROWS_PER_PAGE} if not given. A table may have more, and has all if not given"
)

CURSOR: Final = "where the page before ended; it serves only the question that it came from"

TABLE: Final = "With `Accept: text/csv` or `application/x-ndjson`, all of it as a table."

ROUTES: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "/": ("AWS's API, as above. Methods are GET and POST.", {}),
    "/at/{instant}/": (
        "The same as of then: every action that reads, for unmodified AWS clients. The instant is an RFC 3339 time "
        "with its offset, such as `2026-11-03T14:03:00Z` or `20261103T140300Z`, or `@position`; the colon may be "
        "raw or percent-encoded, the last slash may be left out. Actions that write are refused as "
        "`InstantIsReadOnly`. The headers `x-iam-ledger-position` and `x-iam-ledger-instant` say what the answer "
        "was computed at; with JSON, `basis` does. Before an account's first record it is empty; above its head or "
        "in the future is an error. AWS's own dates have whole seconds: `created_at` in JSON and `/v1` are exact.",
        {},
    ),
    "GET /healthz": ("The process answers. Always 200.", {}),
    "GET /readyz": (
        "200 once requests are served, 503 before and after. `read_only` names the accounts, among those in memory, "
        "that hold events of a newer program, and what was met.",
        {},
    ),
    "GET /v1/checkpoint": (
        "The account's ledger as it is now, signed: `checkpoint` is a note in C2SP's format, over the root of a Merkle "
        "tree of all records. `origin`, `size` and `root` are what it says, `public_key` checks its signature, `basis` "
        "is the position and the instant of the answer. With `Accept: text/plain`, the note alone. "
        "[Operations](operations.md#checkpoints) says how to use it.",
        {
            "from": "the size of an earlier checkpoint; then `consistency` proves, by RFC 6962 and in base64, that the "
            "ledger continues that one. Not with `text/plain`"
        },
    ),
    "GET /v1/events": (
        "The account's records, each exactly as it is stored; refused and unchanged calls are among them. All "
        "conditions hold together. A page may be short or empty and still have a `cursor`; the last has `null`. "
        "`basis` is the position and the instant of the answer: whoever pages on gets to see what came meanwhile. "
        "With `Accept: text/csv` or `Accept: application/x-ndjson` the answer is a table of all that meet the "
        "conditions, of any length; one that fails on the way ends with a broken connection, never as if it were "
        "whole. A line of JSON is a record as it is stored. In CSV, text that a spreadsheet would take for a formula "
        "has an apostrophe in front.",
        {
            "user": "a user name, meaning everyone who ever bore it, or a user id",
            "group": "a group's name or id, as `user`",
            "role": "a role's name or id, as `user`",
            "instance_profile": "an instance profile's name or id, as `user`",
            "policy": "the ARN of a managed policy",
            "actor": "the unique id of whoever asked",
            "request_id": "the `x-amzn-RequestId` that the call was answered with",
            "action": "AWS's name of the call, such as `AttachUserPolicy`",
            "type": "the event's type, such as `UserPolicyAttached`. A call that changed nothing is `Attempted`; "
            "`AttemptsRepeated` stands for several that were counted together",
            "outcome": " or ".join((", ".join(f"`{outcome}`" for outcome in OUTCOMES[:-1]), f"`{OUTCOMES[-1]}`")),
            "source_ip": "the address that the call came from",
            "from": "recorded at or after this instant, an RFC 3339 time or `@position`. It may lie ahead",
            "to": "recorded at or before this instant",
            "order": ORDER,
            "limit": f"records in a page, {LIMIT}",
            "cursor": CURSOR,
        },
    ),
    "GET /v1/events/stream": (
        "The account's records as server-sent events, and then each new one as soon as it is durable. `id` is the "
        "position, `event` the type of the event, or the outcome of a call that changed nothing, and `data` the record "
        "as it is stored. A client that reconnects with a `Last-Event-ID` header, as browsers do by themselves, goes "
        "on behind that position: nothing is lost or repeated, even if the service was killed meanwhile. A comment "
        f"comes every {HEARTBEAT_SECONDS:g} seconds when nothing else does. A client that reads nothing for "
        f"{STALLED_SECONDS:g} seconds is dropped. There can be {FOLLOWERS_MAX:,} streams at once; one more is answered "
        "503.",
        {"from": "`beginning`, which is meant if not given, `now`, or `@n` to begin with record n"},
    ),
    "GET /v1/events/{event}": (
        "One record, by its event id or its position: its own members as they are stored, then more. `hash` is the "
        "record's: SHA-256, in hexadecimal, over a zero byte and the stored bytes, which are those of `data` up to "
        '`,"hash"` and a closing brace. `before` and `after` are the things that the event changed, as they were and '
        "as they became; a call that changed nothing has neither.",
        {
            "proof": "`1`; then `proof` shows by RFC 6962 that the record is in the ledger: the `record` as a text of "
            "the exact bytes that are hashed, `leaf_hash`, `leaf_index` (from 0), `tree_size` and `path`, in base64, "
            "and a signed `checkpoint` with the root"
        },
    ),
    "GET /v1/policies/{arn}/attachments": (
        "Who carried a managed policy, AWS's or the account's own, at an instant: `via` is `attached` or `boundary`, "
        "`kind` is `user`, `group` or `role`, with its `id`, and its `name` and `path` of then. Each has the "
        "`position` and `event_id` of the record since which "
        "that is so, `since` when, and that record's `actor`, `source_ip` and `action`; the oldest come first. All "
        "pages are of the instant of the first, which `basis` tells. The slashes of the ARN may be percent-encoded or "
        f"not. {TABLE}",
        {"at": AT, "limit": f"rows in a page, {LIMIT}", "cursor": CURSOR},
    ),
    "GET /v1/policies/{arn}/attachments/history": (
        "Who ever carried a managed policy, also one that was deleted: one row for each carrier and period. `from` and "
        "`to` tell the records that began and ended it (`position`, `event_id`, `at` when, `actor`, `source_ip`, "
        "`action`); `to` is `null` while it holds. `name` is what the user, group or role was called when it "
        f"began, `latest_name` what it is called now or was called last. A page may be short. {TABLE}",
        {"order": ORDER, "limit": f"rows in a page, {LIMIT}", "cursor": CURSOR},
    ),
    "GET /v1/users/{name}": (
        "Everything about a user, by name or id, at an instant: ids, names, tags, permissions boundary, policies, and "
        "`groups` with theirs. `documents` are all that govern it, each with how it comes to the user: `via` is "
        "`attached`, `inline` or `boundary`, and `group` the one that it comes through, or null. Each has the record "
        "that put it there, and `group` the one that made the user a member: `position`, `event_id`, `since`, `actor`, "
        "`source_ip`, `action`. A managed policy says what its default version says, which `version_id` names. "
        "`basis` is the "
        "position and the instant of the answer. A name means its holder at that instant.",
        {"at": AT},
    ),
    "GET /v1/users/{name}/policies": (
        "The attached and the inline policies of a user, by name or id, at an instant. Each entry has the `position` "
        "and `event_id` of the record that put it there, `since` when, and that record's `actor`, `source_ip` and "
        "`action`. `inherited` are those that come through groups: `group` has the same of the record that made the "
        "user a member. `basis` is the position and the instant of the answer. A name means its holder at that "
        f"instant. {TABLE}",
        {"at": AT},
    ),
    "GET /v1/users/{name}/history": (
        "All changes of all users that ever bore the name, or of the user with this id, oldest first: of policies, "
        "tags, boundary, groups, name and path, creation and deletion; and what happened to their groups while they "
        "were members, and to versions of the account's policies while they carried them: `through` names that group "
        "or policy. Each has its record's `position`, `event_id`, times, "
        "`actor`, `source_ip`, `user_agent`, `action` and `type`, and the things that it touched, `before` and `after` "
        "it. What a restore did has `restored_from`. `users` tells of the users that the changes of the page are of, "
        f"with all names that they bore. {TABLE}",
        {
            "from": "recorded at or after this instant, an RFC 3339 time or `@position`",
            "to": "recorded at or before this instant",
            "order": "`asc`, or `desc` for newest first; `asc` if not given",
            "limit": f"changes in a page, 1 to {ROWS_PER_PAGE_MAX:,}; {ROWS_PER_PAGE} if not given",
            "cursor": "where the page before ended; it serves only the question that it came from",
        },
    ),
    "GET /v1/users/{name}/diff": (
        "What differs about a user between two instants. The name means its holder at each of them: `user_id` has "
        "both, and `replaced` says that they are two. `created` and `deleted` mean that there is a user at one end "
        "only. Policy documents are compared statement by statement; `managed_changed` are managed policies that the "
        "user carries at both ends, by whatever path, and that say something else. `inherited_added`, "
        "`inherited_removed` and `inherited_changed` are policies that come through groups. `from` and `to` in the "
        "answer are the position and "
        "the instant of each end.",
        {
            "from": "an instant, which is an RFC 3339 time or `@position`. It must be given",
            "to": "another instant, which may be earlier; the present if not given",
        },
    ),
    "POST /v1/users/{name}/restore": (
        "Put a user, by the name or id that it has now, back to what it was. The body is a JSON object: `at` is an "
        "instant, `parts` some of `attached`, `inline`, `tags`, `permissions_boundary` and `groups`, or all if not "
        "given. What "
        "differs is changed by ordinary events with `restored_from`, all in one, by the action `RestoreUser`; `data` "
        "has what any write has, of the last record, as the user is whole only there, and the `events`, each with its "
        "`position`, `id`, `type` and `recorded_at`. What cannot be put back, such as a policy that was deleted, is "
        "409 `RestoreConflict`, which names all of it, and nothing is changed. With `dry_run` nothing is recorded: "
        "`events` are those that would be, `conflicts` is what is in the way, `diff` is what would be different, and "
        "`basis` is what this was computed at. What managed policies say is never restored, nor is a group or a "
        "deleted user.",
        {},
    ),
    "/v1/{rest}": (
        "Anything else under `/v1`: 404, `NO_SUCH_ENTITY`. A path above with another method, `HEAD` too, is 405, "
        "`METHOD_NOT_ALLOWED`, with the right one in the header `Allow`; so it is at `/healthz` and `/readyz`.",
        {},
    ),
    "/{rest}": ("Anything else: read as AWS's API, and 404 if it names no action.", {}),
}

INTRODUCTION = f"""\
# API reference

This page is made by `python -m tools.reference` from the tables that the service itself works with.
The [README](../README.md) has a tour; [operations](operations.md) says how to run the service.

## How to call

**As AWS.** Send AWS's Query protocol to `/`: a form with `Action`, `Version` ({IAM.version}) and the parameters, by
POST or GET. The answer is AWS's XML. Every AWS SDK and the AWS CLI do this by themselves.
`sts:GetCallerIdentity` (Version {STS.version}) is answered too, because most tools ask it first.

**As JSON.** Ask for it with `Accept: application/json`, or send a JSON object with
`Content-Type: application/json`. `Version` may be left out. A policy document may be an object; it is stored as you
wrote it. Answers come in one envelope:

```json
{{"success": true, "data": {{}}}}
{{"success": false, "error": {{"code": "NO_SUCH_ENTITY", "message": "The user with name bob cannot be found."}}}}
```

The `data` of a write has `id` (the event's id), `position`, `created_at` and `outcome`, and then what AWS would answer.
`outcome` is `changed`, or `unchanged` where it was so already; such a call that is repeated within a minute is answered
with the record of the first. `error.code` is AWS's code in upper case.

**On whose account.** No signature is checked, and the access key id in the `Authorization` header names the account:
12 digits are the root user of that account. Any other key, or none, is the root user of the default account.

**Exactly once.** Send `{COMMAND_ID_HEADERS[1]}` with a value of your own, up to {COMMAND_ID_CHARACTERS_MAX} ASCII
characters; AWS SDKs send `{COMMAND_ID_HEADERS[0]}` by themselves. A repeat of a recorded call records nothing and gets
the first answer again, a refusal too. The same value with another request is `IdempotentParameterMismatch`.

**Pages.** Lists take `MaxItems` ({ITEMS_PER_PAGE} if not given) and `Marker`, and answer `IsTruncated` and `Marker`.
A marker serves only the question that it came from.

**Bounds.** A body has at most {BODY_BYTES_MAX:,} bytes and is not compressed. Every answer of `/` and `/v1` has an
`x-amzn-RequestId`, which the record of a write has too.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or say whether it is what would be written."""
    parser = argparse.ArgumentParser(prog="python -m tools.reference", description="Write docs/api.md.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the page is stale")
    if not parser.parse_args(arguments).check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    found = stale(PAGE.read_text(encoding="utf-8"))
    for title in found:
        print(f"docs/api.md: `{title}` is stale; `python -m tools.reference` writes it anew", file=sys.stderr)
    return 1 if found else 0


def stale(written: str) -> list[str]:
    """The sections of a written page that are not as they should be.

    Where the page was made with another botocore, what AWS's model alone says is left out of it.
    """
    left, right = _sections(written), _sections(page())
    if MODEL not in " ".join(written.split()):
        left, right = ({t: s for t, s in sections.items() if t not in OF_THE_MODEL} for sections in (left, right))
    return sorted(title for title in left.keys() | right.keys() if left.get(title) != right.get(title))


def _sections(text: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)}


def page() -> str:
    """The whole page."""
    parts = (INTRODUCTION, _native(), _actions(), _missing(), _errors(), _commands())
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _native() -> str:
    """The routes of the application, each as described above. KeyError for one that is not."""
    lines = ["## Routes", ""]
    for route in ("/", "/at/{instant}/", f"GET {HEALTH}", f"GET {READINESS}", *native.ROUTES, "/v1/{rest}", "/{rest}"):
        said, parameters = ROUTES[route]
        lines.append(_wrapped(f"- `{route}`: {said}", "  "))
        lines += [_wrapped(f"  - `{name}`: {meaning}.", "    ") for name, meaning in parameters.items()]
    return "\n".join(lines)


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _actions() -> str:
    """Every action, grouped by the module of the domain that decides it."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, action in actions.IAM.items():
        decide = _function(action)
        about = (inspect.getmodule(decide) or actions).__doc__ or ""
        groups[about.partition("\n")[0].rstrip(".")].append(_action(IAM.operations[name], decide))
    also = " or ".join(f"`{error.code}`" for error in ANY_ACTION)
    said = (
        f"{len(actions.IAM)} of {len(IAM.operations)} operations of the IAM model work. Names, limits and patterns are "
        f"those of AWS's own model, as {MODEL} has it. Any of them can also be refused with {also}, for its parameters."
    )
    lines = ["## Actions", "", _wrapped(said)]
    for title, described in groups.items():
        lines += ["", f"### {title}", *described]
    return "\n".join(lines)


def _function(action: actions.Action) -> Callable[..., Any]:
    return action.decide if isinstance(action, actions.Write) else action.read


def _action(operation: Operation, decide: Callable[..., Any]) -> str:
    lines = ["", f"#### {operation.name}", "", inspect.cleandoc(decide.__doc__ or ""), ""]
    lines += [line for member in _members(operation.input) for line in _member(member, member.name)]
    if results := [f"`{member.name}`" for member in _members(operation.output)]:
        lines.append(f"- answers {', '.join(results)}")
    errors, quotas = meets(decide)
    if must_not_be_empty(operation):
        errors |= {type(empty_list())}
    told = [f"`{error.code}`" for error in STATUS if error in errors and error not in ANY_ACTION]
    if told:
        lines.append(f"- refusals: {', '.join(told)}")
    if quotas:
        lines.append(f"- bound by {', '.join(f'`{quota_name(field)}`' for field in sorted(quotas))}")
    return "\n".join(lines)


def _members(structure: Structure | None) -> Sequence[Member]:
    return structure.members if structure is not None else ()


def _member(member: Member, name: str) -> Iterator[str]:
    required = ["**required**"] if member.required else []
    yield f"- `{name}`: {'; '.join([*required, *_limits(member.shape)])}"
    if isinstance(member.shape, Listing) and isinstance(member.shape.element, Structure):
        for part in member.shape.element.members:
            yield from _member(part, f"{name}.{member.shape.tag}.N.{part.name}")


def _limits(shape: Shape) -> Iterator[str]:
    match shape:
        case Listing():
            of = f" of {shape.element.kind}s" if isinstance(shape.element, Scalar) else ""
            yield f"list{of} (`.{shape.tag}.N`)"
            yield from _bounds(shape.minimum, shape.maximum, "elements")
        case Scalar(enum=enum) if enum is not None:
            yield " or ".join(f"`{value}`" for value in enum)
        case Scalar():
            yield shape.kind
            yield from _bounds(shape.minimum, shape.maximum, "" if shape.kind == "integer" else "characters")
            if shape.pattern is not None:
                yield f"`{shape.pattern}`"
        case Structure():
            yield "structure"
        case Mapped():
            yield "map"


def _bounds(minimum: int | None, maximum: int | None, unit: str) -> Iterator[str]:
    if maximum is not None:
        yield f"{f'{minimum:,} to' if minimum is not None else 'at most'} {maximum:,} {unit}".rstrip()
    elif minimum is not None:
        yield f"at least {minimum:,} {unit}".rstrip()


def quota_name(field: str) -> str:
    """A quota as AWS and the command line spell it."""
    return field.title().replace("_", "")


@cache
def meets(function: Callable[..., Any]) -> tuple[frozenset[type[IamError]], frozenset[str]]:
    """The refusals that a function of the domain names, and the quotas that it looks at, with all that it calls."""
    return _meets(function, set())


def _meets(
    function: Callable[..., Any], seen: set[Callable[..., Any]]
) -> tuple[frozenset[type[IamError]], frozenset[str]]:
    seen.add(function)
    errors: set[type[IamError]] = set()
    quotas: set[str] = set()
    known = inspect.unwrap(function).__globals__
    for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))):
        if isinstance(node, ast.Attribute) and node.attr in Quotas.__struct_fields__:
            quotas.add(node.attr)
        used = known.get(node.id) if isinstance(node, ast.Name) else None
        if isinstance(used, type) and issubclass(used, IamError):
            errors.add(used)
        elif isinstance(used, FunctionType) and used.__module__.startswith("iam.") and used not in seen:
            deeper = _meets(used, seen)
            errors |= deeper[0]
            quotas |= deeper[1]
    return frozenset(errors), frozenset(quotas)


def _missing() -> str:
    """The operations that are not there, by reason."""
    missing: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(set(IAM.operations) - set(actions.IAM)):
        missing[actions.why_not_here(name)].append(f"`{name}`")
    said = (
        f"AWS's model has {sum(map(len, missing.values()))} more operations. They are answered with 501 "
        "`NotImplemented` and the reason. SDKs do not retry that:"
    )
    lines = [_wrapped(f"- {', '.join(names)}: {reason}", "  ") for reason, names in missing.items()]
    return "\n".join(["## What is not there", "", _wrapped(said), "", *lines])


def _errors() -> str:
    lines = [
        "## Errors",
        "",
        "A refusal changes nothing. In XML it has AWS's code, in the envelope the other spelling. "
        f"503 comes with `Retry-After: {RETRY_AFTER_SECONDS}`.",
        "",
        "| Status | Code | In the envelope | Meaning |",
        "|---|---|---|---|",
    ]
    for error, status in sorted(STATUS.items(), key=lambda item: (item[1], item[0].code)):
        meaning = " ".join((error.__doc__ or "").split())
        lines.append(f"| {status} | `{error.code}` | `{upper_snake(error.code)}` | {meaning} |")
    return "\n".join(lines)


def _commands() -> str:
    """Every verb and flag. The texts are the parser's own, and do not depend on the environment."""
    lines = [
        "## Command line",
        "",
        "`iam-ledger VERB`, also `python -m tools VERB`. A flag wins over its twin in the environment.",
        "The exit status is 0 when it went well, 1 when something is wrong or failed, 2 for wrong usage.",
    ]
    for name, verb in verbs().items():
        lines += ["", f"### iam-ledger {name}", "", verb.description or "", ""]
        lines += [f"- `{flag.option_strings[0]}`: {_twin(flag.help or '')}" for flag in flags(verb)]
    return "\n".join(lines)


def verbs() -> Mapping[str, argparse.ArgumentParser]:
    """The verbs of the command line, each with its own parser."""
    [found] = [action for action in command_line()._actions if isinstance(action, argparse._SubParsersAction)]
    return cast(Mapping[str, argparse.ArgumentParser], found.choices)


def flags(verb: argparse.ArgumentParser) -> list[argparse.Action]:
    """The flags of a verb, without --help."""
    return [action for action in verb._actions if action.option_strings and action.dest != "help"]


def _twin(text: str) -> str:
    return re.sub(r"\$IAM_LEDGER_\w+", lambda twin: f"`{twin[0]}`", text)


if __name__ == "__main__":
    sys.exit(main())
