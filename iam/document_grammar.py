"""The grammar of identity policy documents: their shape, as types, and what conditions may say.

Only what a document may look like; `iam/documents.py` says what AWS answers when it does not. Elements
that AWS misses with a message of their own are optional here.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Scalar = str | bool | int | float
Effect = Annotated[str, Meta(pattern=r"\A(?i:allow|deny)\Z")]

_EPOCH = re.compile(r"0*[0-9]{1,19}")
_ISO_8601 = re.compile(
    r"""(?P<year>-?[0-9]{1,9}) (?: -(?:0?[1-9]|1[0-2]) (?: -(?:0?[1-9]|[12][0-9]|3[01]) )? )?
        (?: [Tt] (?:
            (?:[01]?[0-9]|2[0-3]) (?: :[0-5]?[0-9] (?: :[0-5]?[0-9] )? )? (?: [.,][0-9]{1,9} )?
            (?: [Zz] | [+-](?:[01][0-9]|2[0-3]) (?: :[0-5][0-9] )? )?
        )? )?""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?:/(?:3[0-2]|[12]?[0-9]))?")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=_\-\s]")


def _any(_: str) -> bool:
    return True


def _date(text: str) -> bool:
    """Whether the text is a date in ISO 8601, loosely, or whole seconds since 1970.

    Month, day and time may be left out and written with one digit; a time zone needs two. A day that its
    month does not have is not looked for.
    """
    if (date := _ISO_8601.fullmatch(text)) and ("-" in text or "t" in text.lower()):
        return -292_275_054 <= int(date["year"]) <= 292_278_993
    return _EPOCH.fullmatch(text) is not None and int(text.lstrip("0") or 0) < 2**63


def _number(text: str) -> bool:
    return "${" in text or _NUMBER.fullmatch(text) is not None


def _ip(text: str) -> bool:
    """Whether the text is an address or a network; bits beyond the prefix length may be set."""
    if _IPV4.fullmatch(text):  # what nearly all are, and ipaddress is slow
        return True
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return "${" in text
    return True


def _arn(text: str) -> bool:
    """Only what has no colon at all is sure to be refused; `*` and short ARNs may be accepted."""
    return ":" in text or "*" in text or "${" in text


def _base64(text: str) -> bool:
    return "${" in text or _NOT_BASE64.search(text) is None


_BASE_OPERATORS: dict[str, Callable[[str], bool]] = {
    "StringEquals": _any,
    "StringNotEquals": _any,
    "StringEqualsIgnoreCase": _any,
    "StringNotEqualsIgnoreCase": _any,
    "StringLike": _any,
    "StringNotLike": _any,
    "NumericEquals": _number,
    "NumericNotEquals": _number,
    "NumericLessThan": _number,
    "NumericLessThanEquals": _number,
    "NumericGreaterThan": _number,
    "NumericGreaterThanEquals": _number,
    "DateEquals": _date,
    "DateNotEquals": _date,
    "DateLessThan": _date,
    "DateLessThanEquals": _date,
    "DateGreaterThan": _date,
    "DateGreaterThanEquals": _date,
    "Bool": _any,
    "BinaryEquals": _base64,
    "IpAddress": _ip,
    "NotIpAddress": _ip,
    "ArnEquals": _arn,
    "ArnNotEquals": _arn,
    "ArnLike": _arn,
    "ArnNotLike": _arn,
    "Null": _any,
}

OPERATORS = {
    f"{quantifier}{name}{suffix}": accepts
    for name, accepts in _BASE_OPERATORS.items()
    for quantifier in ("", "ForAllValues:", "ForAnyValue:")
    for suffix in ("", "IfExists")
    if name + suffix != "NullIfExists"
}
"""Every condition operator as documents spell it, with the test for one value written under it."""


class Statement(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    """One statement as written. Elements that later stages ask for by name may be missing here."""

    effect: Effect
    sid: str = ""
    action: str | list[str] | UnsetType = UNSET
    not_action: str | list[str] | UnsetType = UNSET
    resource: str | list[str] | UnsetType = UNSET
    not_resource: str | list[str] | UnsetType = UNSET
    principal: str | dict[str, object] | UnsetType = UNSET
    not_principal: str | dict[str, object] | UnsetType = UNSET
    condition: dict[str, dict[str, Scalar | list[Scalar]]] = {}

    def __post_init__(self) -> None:
        """Raise ValueError where the types allow more than the grammar does.

        An element and its negation exclude each other. An unknown operator is accepted if nothing
        stands under it.
        """
        _exclusive(self.action, self.not_action)
        _exclusive(self.resource, self.not_resource)
        _exclusive(self.principal, self.not_principal)
        for operator, keys in self.condition.items():
            if keys and operator not in OPERATORS:
                raise ValueError(f"unknown condition operator {operator}")

    @property
    def actions(self) -> Sequence[str]:
        """What Action or NotAction lists; empty if neither is there."""
        return _listed(self.action) or _listed(self.not_action)

    @property
    def resources(self) -> Sequence[str]:
        """What Resource or NotResource lists; empty if neither is there."""
        return _listed(self.resource) or _listed(self.not_resource)


class Document(Struct, frozen=True, forbid_unknown_fields=True, rename="pascal"):
    """A policy document as written. `Id` is accepted, though AWS documents it for other policies only."""

    statement: Statement | Annotated[list[Statement], Meta(min_length=1)]
    version: Literal["2012-10-17", "2008-10-17"] | UnsetType = UNSET
    id: str = ""

    @property
    def statements(self) -> Sequence[Statement]:
        """The statements; a lone one may be written without brackets."""
        return self.statement if isinstance(self.statement, list) else (self.statement,)


def _exclusive(element: object, negation: object) -> None:
    if element is not UNSET and negation is not UNSET:
        raise ValueError("an element and its negation exclude each other")


def _listed(element: str | list[str] | UnsetType) -> Sequence[str]:
    if element is UNSET:
        return ()
    return (element,) if isinstance(element, str) else element
