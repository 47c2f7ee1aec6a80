"""The words AWS refuses parameters with, when they break a rule of the service model.

This runs only for requests that are refused. Which violations there are must agree with
`constraints.acceptable`; how they are listed, ordered and worded is told here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any

from api.constraints import Mistyped, acceptable, matches, pattern_of
from api.model import Listing, Mapped, Member, Operation, Scalar, Shape, Structure
from iam.errors import IamError, ValidationError

LISTED = 10
"""AWS counts and lists no more violations than this."""

NOT_NULL = "Member must not be null"

_NAME = (
    "The specified value for {} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
)
_PATH = (
    "The specified value for {} is invalid. It must begin and end with / and contain only "
    "alphanumeric characters and/or / characters."
)
_PREFIX = (
    "The specified value for {} is invalid. It must begin with the / character and contain only "
    "alphanumeric characters and/or / characters."
)
_DOCUMENT = "The specified value for {} is invalid. It must contain only printable ASCII characters."
_KEY_ID = "The specified value for {} is invalid. It must contain only alphanumeric characters."

WORDED: Mapping[str, str] = {
    "UserName": _NAME,
    "NewUserName": _NAME,
    "GroupName": _NAME,
    "NewGroupName": _NAME,
    "RoleName": _NAME,
    "PolicyName": _NAME,
    "InstanceProfileName": _NAME,
    "VirtualMFADeviceName": _NAME,
    "ServerCertificateName": _NAME,
    "NewServerCertificateName": _NAME,
    "Path": _PATH,
    "NewPath": _PATH,
    "PathPrefix": _PREFIX,
    "PolicyDocument": _DOCUMENT,
    "AssumeRolePolicyDocument": _DOCUMENT,
    "AccessKeyId": _KEY_ID,
}
"""IAM's parameters whose forbidden characters are refused in a sentence instead of a pattern."""

_ENUM_IN_LIST: Mapping[str, Sequence[str]] = {
    "EntityType": ("LocalManagedPolicy", "User", "AWSManagedPolicy", "Role", "Group"),
}
"""Enumerations that AWS prints in an order of its own."""

_NULL_IN_LIST = frozenset({"tagKeyType", "serviceNamespaceType"})
"""Shapes whose list violation also names the null rule; AWS refuses nulls of the others without saying so."""


def refusal(operation: Operation, values: Mapping[str, Any]) -> IamError:
    """Why the values are not acceptable, in the words of AWS.

    Violations of the model are reported together. Only when there is none is a sentence of `WORDED` given,
    one, for the first such parameter: a sentence cannot stand in the list, so the list goes first.
    """
    structure = operation.input
    if structure is None:
        raise ValueError(f"{operation.name} takes no parameters")
    worded = _worded(operation, structure)
    found = list(islice(_broken(structure, values, "", worded), LISTED))
    if found:
        plural = "" if len(found) == 1 else "s"
        return ValidationError(f"{len(found)} validation error{plural} detected: {'; '.join(found)}")
    for member, scalar in worded.items():
        value = values.get(member.field)
        if isinstance(value, str) and not matches(scalar, value):
            return ValidationError(WORDED[member.name].format(member.path))
    raise ValueError(f"nothing is wrong with the parameters of {operation.name}")


def _worded(operation: Operation, structure: Structure) -> dict[Member, Scalar]:
    """The parameters whose pattern is a sentence, with their shapes, in the order of reporting."""
    if operation.service.name != "iam":
        return {}
    order = reporting_order(structure)
    return {m: m.shape for m in order if m.name in WORDED and isinstance(m.shape, Scalar) and m.shape.pattern}


@cache
def reporting_order(structure: Structure) -> tuple[Member, ...]:
    """Members in the order in which AWS reports their violations.

    Every order seen from AWS (a tag's value before its key, a URL after the lists) is the one in which a
    Java hash map walks the printed names, so that is the rule; names in one bucket stay in model order.
    """
    buckets = 16
    while len(structure.members) > buckets * 3 // 4:
        buckets *= 2
    return tuple(sorted(structure.members, key=lambda member: _java_hash(member.path) & (buckets - 1)))


def _java_hash(name: str) -> int:
    code = 0
    for character in name:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return code ^ (code >> 16)


def _broken(
    structure: Structure, values: Mapping[str, Any], prefix: str, worded: Mapping[Member, Scalar]
) -> Iterator[str]:
    """Violations in a structure; those in `worded` answer for their length only."""
    for member in reporting_order(structure):
        value, path = values.get(member.field), prefix + member.path
        if value is None:
            if member.required:
                yield _violation(path, NOT_NULL)
        elif member in worded and isinstance(value, str):
            yield from _broken_length(worded[member], value, path)
        else:
            yield from _violations(member.shape, value, path)


def _broken_length(scalar: Scalar, value: str, path: str) -> Iterator[str]:
    """A worded parameter's length; AWS looks at the characters of a policy path prefix before its length."""
    length = _length(value, scalar)
    characters_first = path == "pathPrefix" and scalar.name == "policyPathType"
    if length is not None and not (characters_first and not matches(scalar, value)):
        yield _violation(path, length)


def _violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(value, Mistyped):
        yield _violation(path, f"Member must be {value.wanted}")
        return
    match shape:
        case Structure():
            yield from _broken(shape, value, f"{path}.", {})
        case Listing():
            yield from _broken_list(shape, value, path)
        case Mapped():
            yield from _broken_map(shape, value, path)
        case Scalar():
            yield from (_violation(path, broken) for broken in _broken_scalar(shape, value))


def _broken_list(listing: Listing, value: Sequence[Any], path: str) -> Iterator[str]:
    length = _length(value, listing)
    if length is not None:
        yield _violation(path, length)
    element = listing.element
    if isinstance(element, Scalar):
        yield from _broken_scalars(element, value, path)
        return
    for number, item in enumerate(value, 1):
        place = f"{path}.{number}.member"
        yield from _null(element, place) if item is None else _violations(element, item, place)


def _broken_scalars(element: Scalar, value: Sequence[Any], path: str) -> Iterator[str]:
    """AWS reports a list of scalars once, with every rule of its element, whichever was broken."""
    for number, item in enumerate(value, 1):
        if isinstance(item, Mistyped):
            yield from _violations(element, item, f"{path}.{number}.member")
    accepts = acceptable(element, True)
    if any(item is None or (not isinstance(item, Mistyped) and not accepts(item)) for item in value):
        yield _violation(path, f"Member must satisfy constraint: [{', '.join(_rules(element))}]")


def _broken_map(mapped: Mapped, value: Mapping[str, Any], path: str) -> Iterator[str]:
    length = _length(value, mapped)
    if length is not None:
        yield _violation(path, length)
    for number, (key, item) in enumerate(value.items(), 1):
        yield from _violations(mapped.key, key, f"{path}.{number}.key")
        place = f"{path}.{number}.value"
        yield from _null(mapped.value, place) if item is None else _violations(mapped.value, item, place)


def _null(shape: Shape, path: str) -> Iterator[str]:
    """A null element counts as one without any of its members."""
    required = isinstance(shape, Structure) and any(member.required for member in shape.members)
    return _violations(shape, {}, path) if required else iter([_violation(path, NOT_NULL)])


def _broken_scalar(scalar: Scalar, value: Any) -> Iterator[str]:
    if scalar.kind == "integer":
        if scalar.maximum is not None and value > scalar.maximum:
            yield _at_most("value", scalar.maximum)
        if scalar.minimum is not None and value < scalar.minimum:
            yield _at_least("value", scalar.minimum)
    elif scalar.kind == "string" and scalar.enum is not None:
        if value not in scalar.enum:
            yield "Member must satisfy enum value set"
    elif scalar.kind == "string":
        length = _length(value, scalar)
        if length is not None:
            yield length
        if not matches(scalar, value):
            yield _regular(scalar.pattern)


def _rules(element: Scalar) -> Iterator[str]:
    if element.enum is not None:
        values = _ENUM_IN_LIST.get(element.name, ())
        in_order = values if set(values) == set(element.enum) else element.enum
        yield f"Member must satisfy enum value set: [{', '.join(in_order)}]"
    else:
        what = "value" if element.kind == "integer" else "length"
        if element.maximum is not None:
            yield _at_most(what, element.maximum)
        if element.minimum is not None:
            yield _at_least(what, element.minimum)
        if element.pattern is not None:
            yield _regular(pattern_of(element, True))
    unruled = (element.enum, element.minimum, element.maximum, element.pattern) == (None,) * 4
    if unruled or element.name in _NULL_IN_LIST:
        yield NOT_NULL


def _length(value: str | Sequence[Any] | Mapping[str, Any], shape: Scalar | Listing | Mapped) -> str | None:
    if shape.maximum is not None and len(value) > shape.maximum:
        return _at_most("length", shape.maximum)
    if shape.minimum is not None and len(value) < shape.minimum:
        return _at_least("length", shape.minimum)
    return None


def _at_most(what: str, bound: int) -> str:
    return f"Member must have {what} less than or equal to {bound}"


def _at_least(what: str, bound: int) -> str:
    return f"Member must have {what} greater than or equal to {bound}"


def _regular(pattern: str | None) -> str:
    return f"Member must satisfy regular expression pattern: {pattern}"


def _violation(path: str, constraint: str) -> str:
    return f"Value at '{path}' failed to satisfy constraint: {constraint}"
