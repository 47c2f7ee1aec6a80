"""`python -m tools.reference` writes docs/api.md from the code's own tables; with `--check` it only compares.

What no table says (how to call) is told here. Which refusals and quotas an action can meet is read from the source of
its decision and of all that this calls.
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
from types import CodeType, FunctionType, MethodType, SimpleNamespace
from typing import Any, Final, cast

from api import actions
from api.app import COMMAND_ID_HEADERS, ROUTES
from api.aws import IAM, STS
from api.body import BODY_BYTES_MAX
from api.constraints import empty_list, must_not_be_empty
from api.errors import RETRY_AFTER_SECONDS, STATUS, upper_snake
from api.model import Listing, Mapped, Member, Operation, Scalar, Shape, Structure
from api.pages import ITEMS_PER_PAGE
from api.routes import COMMAND_ID_CHARACTERS_MAX, Parameter
from iam import credential_report
from iam.errors import IamError, MalformedInput, UnmodifiableEntity, ValidationError
from iam.identities import ROLE, Kind
from iam.quotas import Quotas
from iam.tags import Tagged
from tools.__main__ import _parser as command_line

PAGE: Final = Path(__file__).parent.parent / "docs" / "api.md"
MODEL: Final = f"botocore {version('botocore')}"
OF_THE_MODEL: Final = ("Actions", "What is not there")
"""The sections that another release of botocore may change, though nothing here has changed."""

ANY_ACTION: Final = (ValidationError, MalformedInput)
"""Refusals that every action with parameters can meet; they are told once."""

ELSEWHERE: Final[Mapping[str, str]] = {
    "/v1/{rest}": "Anything else under `/v1`: 404, `NO_SUCH_ENTITY`. A path above with another method, `HEAD` too, is "
    "405, `METHOD_NOT_ALLOWED`, with the right one in the header `Allow`; so it is at those that stand beside `/v1`, "
    "but for `HEAD` at the two probes.",
    "/{rest}": "Anything else: 404, and nothing is read or done. In JSON it is `NO_SUCH_ENTITY`; in XML a call gets "
    "`UnknownOperationException`, which no client takes for an answer, and what is no call AWS's element of that name.",
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

**On whose account.** No signature is checked, and the access key id in the `Authorization` header says who asks. A key
that was made here is its user, or is refused as `InvalidClientTokenId` where it is inactive or deleted. 12 digits are
the root user of that account. Any other key, or none, is the root user of the default account.

**Exactly once.** Send `{COMMAND_ID_HEADERS[1]}` with a value of your own, up to {COMMAND_ID_CHARACTERS_MAX} ASCII
characters; AWS SDKs send `{COMMAND_ID_HEADERS[0]}` by themselves. A repeat of a recorded call records nothing and gets
the first answer again, a refusal too. The same value with another request is `IdempotentParameterMismatch`.

**Pages.** Lists take `MaxItems` ({ITEMS_PER_PAGE} if not given) and `Marker`, and answer `IsTruncated` and `Marker`.
A marker serves only the question that it came from.

**Bounds.** A body has at most {BODY_BYTES_MAX:,} bytes, also where AWS would take longer SAML metadata or certificate
chains, and is not compressed. Every answer of `/` and `/v1` has an `x-amzn-RequestId`, which the record of a write has
too.
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
    """The routes, as they describe themselves, and what is elsewhere."""
    lines = ["## Routes", "", "`/openapi.json` has the same for programs, with the schema of every answer.", ""]
    for route in ROUTES:
        lines.append(_wrapped(f"- `{route.name}`: {route.about}", "  "))
        lines += [_wrapped(f"  - {_parameter(parameter)}.", "    ") for parameter in route.parameters]
    lines += [_wrapped(f"- `{path}`: {about}", "  ") for path, about in ELSEWHERE.items()]
    return "\n".join(lines)


def _parameter(parameter: Parameter) -> str:
    """A parameter in one line: where it stands if not in the query string, what it means, what it can be."""
    place = "" if parameter.place == "query" else f" ({parameter.place})"
    required = ["must be given"] if parameter.required and parameter.place == "query" else []
    words = [" or ".join(f"`{word}`" for word in parameter.words)] if parameter.words else []
    default = [f"`{parameter.default}` if not given"] if parameter.default is not None else []
    return f"`{parameter.name}`{place}: {'; '.join([*required, *words, parameter.meaning, *default])}"


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 118, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _actions() -> str:
    """Every action, grouped by the module of the domain that it is asked of."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name, action in actions.IAM.items():
        asked = _asked(action)
        about = (inspect.getmodule(asked) or credential_report).__doc__ or ""
        groups[about.partition("\n")[0].rstrip(".")].append(_action(IAM.operations[name], action))
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


def _asked(action: actions.Action) -> type[Any] | None:
    """The command or query of an action. The credential report has none."""
    match action:
        case actions.Write():
            return action.command
        case actions.Read() | actions.Listing():
            return action.query
        case _:
            return None


def _action(operation: Operation, action: actions.Action) -> str:
    decide = _function(action)
    lines = ["", f"#### {operation.name}", "", inspect.cleandoc(decide.__doc__ or ""), ""]
    lines += [line for member in _members(operation.input) for line in _member(member, member.name)]
    if results := [f"`{member.name}`" for member in _members(operation.output)]:
        lines.append(f"- answers {', '.join(results)}")
    errors, quotas = meets(decide, _asked(action))
    if isinstance(action, actions.Write) and action.proof is not None:
        errors |= meets(action.proof.of, action.command)[0]
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


def meets(
    function: Callable[..., Any], asked: type[Any] | None = None
) -> tuple[frozenset[type[IamError]], frozenset[str]]:
    """The refusals that a function of the domain names, and the quotas that it looks at, with all that it calls.

    What the command or query says of itself (`kind`, `tagged`) goes by the same name in all functions that use it.
    """
    said = {name: getattr(asked, name) for name in ("kind", "tagged") if hasattr(asked, name)}
    return _meets(function, said, set())


def _meets(
    function: Callable[..., Any], said: Mapping[str, Any], seen: set[Callable[..., Any]]
) -> tuple[frozenset[type[IamError]], frozenset[str]]:
    seen.add(function)
    errors: set[type[IamError]] = set()
    quotas: set[str] = set()
    own = getattr(function, "__self__", None)
    known = {**inspect.unwrap(function).__globals__, **said, **({"self": own} if own is not None else {})}
    for node in _nodes(inspect.unwrap(function).__code__):
        if isinstance(node, ast.Attribute):
            quotas |= _quotas(node.attr, said)
        used = _used(node, known)
        if isinstance(used, type) and issubclass(used, IamError):
            errors.add(used)
        elif isinstance(used, FunctionType | MethodType) and used.__module__.startswith("iam.") and used not in seen:
            deeper = _meets(used, said, seen)
            errors |= deeper[0]
            quotas |= deeper[1]
    if isinstance(own, Kind) and own is not ROLE:
        errors.discard(UnmodifiableEntity)  # no other kind has any that belong to a service
    return frozenset(errors), frozenset(quotas)


@cache
def _nodes(code: CodeType) -> Sequence[ast.AST]:
    return list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(code)))))


def _used(node: ast.AST, known: Mapping[str, Any]) -> Any:
    """What a name stands for, or a method of an identity's kind or of what is tagged; None if that is not known."""
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=method):
            owner = known.get(name)
            return getattr(owner, method, None) if isinstance(owner, Kind | Tagged) else None
        case _:
            return None


def _quotas(name: str, said: Mapping[str, Any]) -> set[str]:
    """The quotas that an attribute of this name stands for: one, or that of the kind in question."""
    if name in Quotas.__struct_fields__:
        return {name}
    if name in ("policies_per", "inline_size") and "kind" in said:
        named = {field: field for field in Quotas.__struct_fields__}
        return {getattr(Quotas, name)(SimpleNamespace(**named), said["kind"].noun)}
    return set()


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
        "The exit status is 0 when it went well, 1 when something is wrong or failed, 2 where a flag or an argument is "
        "not known, or lacks its value.",
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
