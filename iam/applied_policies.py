"""The permissions policies that apply to an identity, a user's groups' among them; boundaries permit nothing."""

from collections.abc import Iterator

import msgspec

from iam.attached_policies import attached_to
from iam.document_grammar import Document
from iam.documents import read_document
from iam.errors import MalformedPolicyDocument
from iam.groups import groups_of
from iam.identities import GROUP, USER, Kind
from iam.inline_policies import inline_in
from iam.policies import governing_version
from iam.state import State, known


class AppliedPolicy(msgspec.Struct, frozen=True, gc=False):
    """A policy that applies to an identity. An inline one has no ARN, and is part of `kind` and `name`.

    There is no document where the catalogue has none, or where it is none that IAM would take today.
    """

    policy_name: str
    policy_arn: str | None
    kind: Kind
    name: str
    document: Document | None


def applied_policies(state: State, kind: Kind, owner: str) -> Iterator[AppliedPolicy]:
    """The policies that apply to the identity of this id. A managed policy that comes by several ways comes once."""
    carriers = [(kind, owner)]
    if kind is USER:
        carriers += ((GROUP, group.group_id) for group in groups_of(state, owner))
    seen: set[str] = set()
    for carrier, carrier_id in carriers:
        name = carrier.name(known(state, carrier.profiles, carrier_id))
        for inline in inline_in(state, carrier, carrier_id):
            yield AppliedPolicy(inline.policy_name, None, carrier, name, readable(inline.document))
        for attached in attached_to(state, carrier, carrier_id):
            if attached.policy_arn not in seen:
                seen.add(attached.policy_arn)
                document = governing_document(state, attached.policy_arn)
                yield AppliedPolicy(attached.policy_name, attached.policy_arn, carrier, name, document)


def governing_document(state: State, arn: str) -> Document | None:
    """What the managed policy with this ARN says, as far as that is known."""
    version = governing_version(state, arn)
    return None if version is None else readable(version[1])


def readable(document: str) -> Document | None:
    """The document as it is written; None if it is none."""
    try:
        return read_document(document)
    except MalformedPolicyDocument:
        return None
