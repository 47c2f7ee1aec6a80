"""Reading and checking trust policies, which say who may assume a role: their grammar, and AWS's messages.

AWS reads them with another parser than identity policies, which has messages of its own. Recorded are those for what
is no JSON, for actions and for Resource; reported by users are those for principals; the others, and the order in
which faults are looked for, are likely: others who asked AWS found them so, and the same parser says the like of S3's
bucket policies. Whatever is not known to be refused is accepted.

A user or role of the same account that a trust policy names as principal is meant for good: the policy follows it to
another name or path, and means nobody else once it is gone. AWS's documentation says so.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from iam import relations as r
from iam.arns import parse_arn
from iam.document_grammar import OPERATORS
from iam.documents import PARTITIONS, counted_size
from iam.errors import LimitExceeded, MalformedPolicyDocument
from iam.identities import ROLE, USER, Kind
from iam.state import State

JSON = "This policy contains invalid Json"
VERSION = "The policy must contain a valid version string"
MISSING = "Missing required field {}"
UNKNOWN = "Unknown field {}"
EMPTY = "Could not parse the policy: Statement is empty!"
EFFECT = "Invalid effect: {}"
SID_UNIQUE = "The Statement Ids in the policy are not unique"
ACTIONS = "AssumeRole policy may only specify STS AssumeRole actions."
ACTION_TWICE = "Syntax error in policy."
RESOURCE = "Has prohibited field Resource"
NOT_RESOURCE = "AssumeRole policy must not contain resources."
ALLOWED_NOT_PRINCIPAL = "Allow with NotPrincipal is not allowed."
NOT_PRINCIPAL = "AssumeRole policy must not contain NotPrincipal field."
PRINCIPAL_FORM = "Principal must be a JSON object."
PRINCIPAL_EMPTY = "Missing required field Principal cannot be empty!"
NO_PRINCIPALS = (
    "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: "
    "The passed in policy has a statement with no principals!"
)
PRINCIPAL = 'Invalid principal in policy: "{}":"{}"'
FEDERATED = "Federated principals must be valid domain names or SAML metadata ARNs"
COGNITO = "A condition block must be present for the Cognito provider"

_COGNITO = "cognito-identity.amazonaws.com"
_STATEMENT = frozenset(
    ("Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
)
_ASSUMING = (
    "assumerole",
    "assumerolewithsaml",
    "assumerolewithwebidentity",
    "setcontext",
    "setsourceidentity",
    "tagsession",
)
_DOMAIN = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
_IDENTITY = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):(root|(?:user|role)/[^*?]+)")
_SESSION = re.compile(r"arn:[a-z-]+:sts::[0-9]{12}:(?:assumed-role|federated-user)/[^*?]+")
_PROVIDER = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:(?:saml|oidc)-provider/[!-~]+")
_UNIQUE_ID = re.compile(r"A(?:IDA|ROA)[A-Z0-9]+")


def check_trust(state: State, document: str) -> dict[str, str]:
    """The users and roles of the account that a trust policy names as principals: what it calls each, and whose id.

    Raises MalformedPolicyDocument for its first fault, or LimitExceeded for its size. A user or role of the account
    that it names must exist; those of other accounts nobody here can know.
    """
    statements = _statements(document)
    for statement in statements:
        for kind, name in _principals(statement["Principal"]):
            _check_principal(state, kind, name)
    quota = state.world.quotas.assume_role_policy_size
    if counted_size(document) > quota:
        raise LimitExceeded(f"Cannot exceed quota for ACLSizePerRole: {quota}")
    return _meant(state, statements)


def shown_trust(state: State, trust: r.TrustPolicy) -> str:
    """The trust policy as it is shown now: its principals by the ARN that they have now, or by id once they are gone.

    Character for character as written where none is called otherwise; else the JSON is written anew.
    """
    calls = {name: _name_of(state, id_) for name, id_ in trust.principals.items()}
    if all(name == now for name, now in calls.items()):
        return trust.document
    policy = json.loads(trust.document)
    for statement in _listed(policy["Statement"]):
        principal = statement["Principal"]
        match principal.get("AWS"):
            case str(name):
                principal["AWS"] = calls.get(name, name)
            case list(names):
                principal["AWS"] = [calls.get(name, name) for name in names]
    return json.dumps(policy, separators=(",", ":"))


def is_again(state: State, trust: r.TrustPolicy, document: str) -> bool:
    """Whether the document is that of the trust policy, as written or as shown, and means the same users and roles.

    As it is shown it may name somebody who is gone. Raises MalformedPolicyDocument for a text that was accepted once
    and is not any more.
    """
    shown = shown_trust(state, trust)
    if document not in (trust.document, shown):
        return False
    meant = _meant(state, _statements(document))
    return meant == trust.principals or (document == shown and set(meant.values()) <= set(trust.principals.values()))


def _meant(state: State, statements: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The principals of the statements that are users or roles of the account now, each with its id."""
    principals = (each for statement in statements for each in _principals(statement["Principal"]))
    found = ((name, _id_of(state, name)) for kind, name in principals if kind == "AWS")
    return {name: id_ for name, id_ in found if id_ is not None}


def _id_of(state: State, name: str) -> str | None:
    """The id of the user or role of the account that has this ARN or unique id."""
    if _UNIQUE_ID.fullmatch(name):
        return None if _kind_of(state, name) is None else name
    found = _IDENTITY.fullmatch(name)
    if found is None or found[1] != state.account:
        return None
    kind = USER if found[2].startswith("user/") else ROLE
    id_ = state.get(kind.names, "", name.rpartition("/")[2].lower())
    return id_ if id_ is not None and kind.arn(state, id_) == name else None


def _name_of(state: State, id_: str) -> str:
    """The ARN that the user or role of this id has, or the id if it is gone."""
    kind = _kind_of(state, id_)
    return id_ if kind is None else kind.arn(state, id_)


def _kind_of(state: State, id_: str) -> Kind | None:
    """The kind of the user or role that has this id, if there is one."""
    return next((kind for kind in (USER, ROLE) if state.get(kind.profiles, id_) is not None), None)


def _statements(document: str) -> list[dict[str, Any]]:
    """The statements, of which each has the elements that it must have and no others."""
    policy = _read(document)
    for name in policy:
        if name not in ("Version", "Id", "Statement"):
            raise MalformedPolicyDocument(UNKNOWN.format(name))
    if policy.get("Version", "2008-10-17") not in ("2012-10-17", "2008-10-17"):
        raise MalformedPolicyDocument(VERSION)
    if "Statement" not in policy:
        raise MalformedPolicyDocument(MISSING.format("Statement"))
    statements = _listed(policy["Statement"])
    if not statements:
        raise MalformedPolicyDocument(EMPTY)
    if any(isinstance(each, dict) and each.get("Effect") == "Allow" and "NotPrincipal" in each for each in statements):
        raise MalformedPolicyDocument(ALLOWED_NOT_PRINCIPAL)
    sids = []
    for statement in statements:
        _check_elements(statement)
        if sid := statement.get("Sid"):
            sids.append(sid)
    if len(sids) != len(set(sids)):
        raise MalformedPolicyDocument(SID_UNIQUE)
    return statements


def _read(document: str) -> dict[str, Any]:
    """The JSON object. msgspec is strict about Unicode and numbers, and json sees names that are given twice."""
    try:
        policy = msgspec.json.decode(document, type=dict[str, Any])
        json.JSONDecoder(object_pairs_hook=_distinct).decode(document)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicyDocument(JSON) from error
    return policy


def _distinct(members: list[tuple[str, object]]) -> None:
    if len(members) != len({name for name, _ in members}):
        raise ValueError("a name is given twice in one object")


def _check_elements(statement: Any) -> None:
    """What can be told from the statement alone, in AWS's order: effect, principal, condition, actions, resources."""
    if not isinstance(statement, dict):
        raise MalformedPolicyDocument(JSON)
    for name in statement:
        if name not in _STATEMENT:
            raise MalformedPolicyDocument(UNKNOWN.format(name))
    if not isinstance(statement.get("Sid", ""), str):
        raise MalformedPolicyDocument(JSON)
    effect = _required(statement, "Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicyDocument(EFFECT.format(effect))
    if "NotPrincipal" in statement:
        raise MalformedPolicyDocument(NOT_PRINCIPAL)
    _check_principal_element(statement)
    if not _is_condition(statement.get("Condition", {})):
        raise MalformedPolicyDocument(JSON)
    _check_actions(statement)
    if "Resource" in statement:
        raise MalformedPolicyDocument(RESOURCE)
    if "NotResource" in statement:
        raise MalformedPolicyDocument(NOT_RESOURCE)


def _required(statement: Mapping[str, Any], name: str) -> Any:
    if name not in statement:
        raise MalformedPolicyDocument(MISSING.format(name))
    return statement[name]


def _check_principal_element(statement: Mapping[str, Any]) -> None:
    """Principals stand under their kinds; `*` alone, which other policies may have, is refused as well."""
    principal = _required(statement, "Principal")
    if isinstance(principal, str):
        raise MalformedPolicyDocument(PRINCIPAL_FORM)
    if not isinstance(principal, dict):
        raise MalformedPolicyDocument(JSON)
    if not principal:
        raise MalformedPolicyDocument(PRINCIPAL_EMPTY)
    if _COGNITO in _listed(principal.get("Federated", [])) and not statement.get("Condition"):
        raise MalformedPolicyDocument(COGNITO)


def _is_condition(condition: Any) -> bool:
    """Whether operators stand over keys, and keys over values. An operator over nothing may have any name."""
    if not isinstance(condition, dict):
        return False
    return all(
        isinstance(keys, dict)
        and (not keys or operator in OPERATORS)
        and all(isinstance(value, str | bool | int | float) for values in keys.values() for value in _listed(values))
        for operator, keys in condition.items()
    )


def _check_actions(statement: Mapping[str, Any]) -> None:
    """Actions, and those excepted by NotAction, are those by which a role is assumed, or patterns that mean one."""
    if "Action" in statement and "NotAction" in statement:
        raise MalformedPolicyDocument(ACTION_TWICE)
    actions = _listed(statement["NotAction"] if "NotAction" in statement else statement.get("Action", []))
    if not actions:
        raise MalformedPolicyDocument(MISSING.format("Action"))
    for action in actions:
        if not isinstance(action, str):
            raise MalformedPolicyDocument(JSON)
        vendor, _, pattern = action.lower().partition(":")
        if vendor != "sts" or "[" in pattern or not any(fnmatchcase(name, pattern) for name in _ASSUMING):
            raise MalformedPolicyDocument(ACTIONS)


def _principals(principal: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The principals of a statement with their kinds."""
    found = [(kind, name) for kind, names in principal.items() for name in _listed(names)]
    if not found:
        raise MalformedPolicyDocument(NO_PRINCIPALS)
    for kind, name in found:
        if not isinstance(name, str):
            raise MalformedPolicyDocument(JSON)
        yield kind, name


def _check_principal(state: State, kind: str, name: str) -> None:
    match kind:
        case "AWS":
            accepted = name == "*" or _is_account(name) or _is_identity(state, name)
        case "Service":
            accepted = _DOMAIN.fullmatch(name) is not None
        case "Federated":
            if not (_DOMAIN.fullmatch(name) or _PROVIDER.fullmatch(name)):
                raise MalformedPolicyDocument(FEDERATED)
            accepted = True
        case "CanonicalUser":
            accepted = bool(name)
        case _:
            accepted = False
    if not accepted:
        raise MalformedPolicyDocument(PRINCIPAL.format(kind if kind == "AWS" else kind.upper(), name))


def _is_account(name: str) -> bool:
    return len(name) == 12 and name.isascii() and name.isdigit()


def _is_identity(state: State, name: str) -> bool:
    """Whether this is a user, role, session or root user, by ARN or unique id, that can exist."""
    if _SESSION.fullmatch(name) or _id_of(state, name) is not None:
        return True
    found = _IDENTITY.fullmatch(name)
    if found is None or parse_arn(name).partition not in PARTITIONS:
        return False
    account, resource = found.groups()
    return account != state.account or resource == "root"


def _listed(element: Any) -> list[Any]:
    return element if isinstance(element, list) else [element]
