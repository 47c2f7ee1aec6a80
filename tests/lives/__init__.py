"""Lives of accounts: for each noun, writes that leave nothing untouched, and what is asked of it then.

A life yields actions with their parameters, each of which makes exactly one record, and is sent the reply of each:
None where they are only listed. `QUESTIONS` are asked after every write, and again at the instants of the past.
Every action of `api.actions` has its place in one of them.
"""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec

Write = tuple[str, dict[str, str]]
Life = Generator[Write, Any, None]
Questions = Mapping[str, Sequence[dict[str, str]]]

AS = "As"  # no parameter of AWS's: the access key that the call is made with, instead of the root user's
ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"


class Noun(msgspec.Struct, frozen=True):
    """The life of one noun in an account of this id, and the questions asked of it."""

    live: Callable[[str], Life]
    questions: Callable[[str], Questions]


def nouns() -> dict[str, Noun]:
    """All of them: the modules of this package, each with `live` and `questions`."""
    modules = {found.name: import_module(f"lives.{found.name}") for found in iter_modules(__path__)}
    return {name: Noun(module.live, module.questions) for name, module in modules.items()}


def document(number: int) -> str:
    """A policy document, different for each number."""
    statement = {"Sid": f"S{number}", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(number: int, *principals: str) -> str:
    """A trust policy, different for each number, that names these principals; everybody if there are none."""
    named = {"AWS": list(principals) or "*"}
    statement = {"Sid": f"S{number}", "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": named}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def tags(*pairs: str) -> dict[str, str]:
    """`key=value` as the fields of a form."""
    named = dict(enumerate((pair.partition("=") for pair in pairs), 1))
    return {
        f"Tags.member.{number}.{part}": value
        for number, (key, _, text) in named.items()
        for part, value in (("Key", key), ("Value", text))
    }


def own(account: str, name: str) -> str:
    """The ARN of one of the account's own policies."""
    return f"arn:aws:iam::{account}:policy/{name}"


def told(reply: Any, path: str) -> str:
    """What a reply says at a path in its XML; where there is no reply, something of the right form."""
    return "AKIAIOSFODNN7EXAMPLE" if reply is None else str(reply.text(path))
