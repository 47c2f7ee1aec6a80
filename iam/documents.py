"""Reading and checking identity policy documents: the grammar, and AWS's message for what breaks it.

A document is checked in stages, in the order in which AWS reports them; the first stage that fails gives
the message. Rules and texts are *recorded* from AWS unless marked *likely*, which means documented, or
agreed by several implementers, but not seen. Nothing here decides who may do what, and trust policies
have another grammar.
"""

import json
import re
from collections.abc import Sequence

from msgspec import UNSET
from msgspec.json import Decoder

from iam.document_grammar import OPERATORS, Document, Statement
from iam.errors import MalformedPolicyDocument

SYNTAX = "Syntax errors in policy."
VERSION = "Policy document must be version 2012-10-17 or greater."
PRINCIPAL = "Policy document should not specify a principal."
LEGACY = "The policy failed legacy parsing"
SID_FORM = (
    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
)
SID_UNIQUE = "Statement IDs (SID) in a single policy must be unique."
NO_ACTIONS = "Policy statement must contain actions."
NO_RESOURCES = "Policy statement must contain resources."
RESOURCE_FORM = 'Resource {} must be in ARN format or "*".'
RESOURCE_PARTITION = 'Partition "{}" is not valid for resource "{}".'
RESOURCE_VENDOR = "Resource vendor must be fully qualified and cannot contain regexes."
ACTION_NO_VENDOR = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
ACTION_COLONS = "Actions/Condition can contain only one colon."
ACTION_VENDOR = "Vendor {} is not valid"
ACTION_VENDOR_WILDCARD = "Action vendors (e.g., aws, ec2, etc.) must not contain wildcards."

PARTITIONS = frozenset(
    {"*", "aws", "aws-cn", "aws-us-gov", "aws-eusc", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f"}
)

# Vendors whose ARNs name no region: the message, and the beginnings of resources that are exempt.
# For s3 `accesspoint/` is recorded; the others are likely, being what S3 documents with a region.
REGIONLESS: dict[str, tuple[str, tuple[str, ...]]] = {
    "iam": ("IAM resource {} cannot contain region information.", ()),
    "s3": (
        "Resource {} can not contain region information.",
        ("accesspoint/", "access-grants/", "async-request/", "job/", "storage-lens/", "storage-lens-group/"),
    ),
}

IAM_PATHS = (
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
)
IAM_PATH = f'IAM resource path must either be "*", root, or start with {", ".join(IAM_PATHS)}.'


def _distinct(members: list[tuple[str, object]]) -> None:
    if len(members) != len({name for name, _ in members}):
        raise ValueError("a name is given twice in one object")


_DOCUMENT = Decoder(Document)
_DUPLICATES = json.JSONDecoder(object_pairs_hook=_distinct)


def _read(document: str) -> Document:
    """The document, if its JSON and its grammar are right.

    Text is read twice: msgspec knows the grammar and is strict about Unicode and numbers, but keeps the
    last of several members with one name. That such members are refused is likely: documented, not seen.
    """
    try:
        policy = _DOCUMENT.decode(document)
        _DUPLICATES.decode(document)
    except (ValueError, RecursionError) as error:
        raise MalformedPolicyDocument(SYNTAX) from error
    return policy


def read_document(document: str) -> Document:
    """The document as it is written. Raises MalformedPolicyDocument for what is none; its rules are not looked at."""
    return _read(document)


def _refuse_principal(statements: Sequence[Statement]) -> None:
    for statement in statements:
        if statement.principal is not UNSET or statement.not_principal is not UNSET:
            raise MalformedPolicyDocument(PRINCIPAL)


def _check_legacy(statements: Sequence[Statement]) -> None:
    """The case of Effect, the literals of conditions, and how ARNs are put together.

    That AWS refuses malformed dates is recorded with the message. That it refuses malformed numbers,
    addresses, ARNs and base64 is recorded, the message is likely; of these a value with `${` is let
    through, as is any that AWS might accept.
    """
    for statement in statements:
        if statement.effect not in ("Allow", "Deny"):
            raise MalformedPolicyDocument(LEGACY)
        for operator, keys in statement.condition.items():
            for values in keys.values():
                accepts = OPERATORS[operator]  # known, for there is something under it
                for value in values if isinstance(values, list) else (values,):
                    if not accepts(str(value)):
                        raise MalformedPolicyDocument(LEGACY)
        for resource in statement.resources:
            if _is_broken_arn(resource):
                raise MalformedPolicyDocument(LEGACY)


def _is_broken_arn(resource: str) -> bool:
    """Whether an ARN names no vendor, or leaves a part empty and others out.

    An unknown partition is reported first: recorded, for `arn:error:s3::example_bucket` in an array. But not where
    something follows an empty vendor: others found so, for `arn:awss3::bucket/*`.
    """
    parts = resource.split(":")
    if len(parts) < 3 or parts[1] not in PARTITIONS:
        return parts[0] == "arn" and len(parts) > 3 and not parts[2]
    return not parts[2] or (len(parts) < 6 and "::" in resource)


def _check_sids(statements: Sequence[Statement]) -> None:
    """Sids are letters and digits, and differ unless empty. Which is reported first is not known."""
    sids = [statement.sid for statement in statements if statement.sid]
    for sid in sids:
        if not (sid.isascii() and sid.isalnum()):
            raise MalformedPolicyDocument(SID_FORM)
    if len(sids) != len(set(sids)):
        raise MalformedPolicyDocument(SID_UNIQUE)


def _require_actions(statements: Sequence[Statement]) -> None:
    for statement in statements:
        if not statement.actions:
            raise MalformedPolicyDocument(NO_ACTIONS)


def _check_resources(statements: Sequence[Statement]) -> None:
    """Of several wrong resources in an array, the one that sorts first is named: likely."""
    for statement in statements:
        for resource in sorted(statement.resources):
            if fault := _resource_fault(resource):
                raise MalformedPolicyDocument(fault)


def _resource_fault(resource: str) -> str | None:
    """What is wrong with a resource, in AWS's words.

    The first part need not be `arn`. Parts may be left out at the end and then stand for anything; that
    a vendor cannot have wildcards is likely.
    """
    if resource == "*":
        return None
    parts = resource.split(":", 5)
    if len(parts) < 2:
        return RESOURCE_FORM.format(resource)
    if parts[1] not in PARTITIONS:
        return RESOURCE_PARTITION.format(parts[1], _rebuilt(parts))
    if len(parts) < 3 or "*" in parts[2] or "?" in parts[2]:
        return RESOURCE_VENDOR
    vendor = parts[2]
    region = parts[3] if len(parts) > 3 else ""
    path = parts[5] if len(parts) > 5 else "*"
    if region and vendor in REGIONLESS:
        message, exempt = REGIONLESS[vendor]
        if not path.startswith(exempt):
            return message.format(resource)
    if vendor == "iam" and path not in ("*", "root") and not path.startswith(IAM_PATHS):
        return IAM_PATH
    return None


def _rebuilt(parts: list[str]) -> str:
    """The ARN as AWS repeats it: `arn` in front, and `*` for each part that is missing."""
    rest = [] if parts[2:] == [""] else parts[2:]
    return ":".join(["arn", parts[1], *rest, *["*"] * (4 - len(rest))])


def _require_resources(statements: Sequence[Statement]) -> None:
    for statement in statements:
        if not statement.resources:
            raise MalformedPolicyDocument(NO_RESOURCES)


_NOT_VENDOR = re.compile(r"[^A-Za-z0-9.-]")


def _check_actions(statements: Sequence[Statement]) -> None:
    """Actions are `*`, `*:*` or `vendor:name`; the name is free, and no vendor or action needs to exist."""
    for statement in statements:
        for action in statement.actions:
            if action in ("*", "*:*"):
                continue
            vendor, colon, name = action.partition(":")
            if not colon:
                raise MalformedPolicyDocument(ACTION_NO_VENDOR)
            if ":" in name:
                raise MalformedPolicyDocument(ACTION_COLONS)
            if "*" in vendor or "?" in vendor:
                raise MalformedPolicyDocument(ACTION_VENDOR_WILDCARD)
            if not vendor or _NOT_VENDOR.search(vendor):
                raise MalformedPolicyDocument(ACTION_VENDOR.format(vendor))


_STAGES = (
    # Where AWS looks for a principal is not known. First of all after the version suits what its users
    # report: a trust policy, which has no resources either, is refused for its principal.
    _refuse_principal,
    _check_legacy,
    _check_sids,
    _require_actions,
    _check_resources,
    # Before the form of actions: recorded, for a statement with the action `invalid` and no resource.
    _require_resources,
    _check_actions,
)


def validate(document: str, *, managed: bool) -> None:
    """Raise MalformedPolicyDocument with AWS's message for the first stage that fails.

    A managed policy must be of version 2012-10-17. An inline policy may also be of version 2008-10-17 or
    name none: likely. No other exception is raised, whatever the text.
    """
    policy = _read(document)
    if managed and policy.version != "2012-10-17":
        raise MalformedPolicyDocument(VERSION)
    statements = policy.statements
    for stage in _STAGES:
        stage(statements)


def counted_size(document: str) -> int:
    """Characters that count against a quota: code points other than space, tab, LF and CR.

    White space inside of strings is not counted either: likely, as is counting code points, not bytes.
    """
    return len(document) - sum(map(document.count, " \t\n\r"))
