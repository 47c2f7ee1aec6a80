"""The context keys that policies speak of: in their conditions, and as variables."""

import re
from collections.abc import Iterable, Iterator, Sequence

from iam.applied_policies import applied_policies
from iam.arns import parse_arn
from iam.commands import Query
from iam.document_grammar import Document, Statement
from iam.documents import read_document
from iam.errors import InvalidInput, MalformedPolicyDocument, NoSuchEntity
from iam.identities import KINDS
from iam.state import State

_VARIABLE = re.compile(r"\$\{([^{}]+)\}")
_CHARACTERS = ("*", "?", "$")  # which stand for themselves in a variable


class GetContextKeysForCustomPolicy(Query, frozen=True, gc=False, kw_only=True):
    policy_input_list: tuple[str, ...]


class GetContextKeysForPrincipalPolicy(Query, frozen=True, gc=False, kw_only=True):
    policy_source_arn: str
    policy_input_list: tuple[str, ...] = ()


def get_context_keys_for_custom_policy(state: State, query: GetContextKeysForCustomPolicy) -> Sequence[str]:
    """The context keys in these policies, in the order in which they come first; case makes no difference."""
    return _keys_in(_given(query.policy_input_list))


def get_context_keys_for_principal_policy(state: State, query: GetContextKeysForPrincipalPolicy) -> Sequence[str]:
    """The context keys in the policies that apply to a user, group or role, and in those given beside them.

    The identity is found by its name; the path in the ARN does not matter. Raises InvalidInput for other ARNs.
    """
    arn = parse_arn(query.policy_source_arn, InvalidInput)
    noun, _, rest = arn.resource.partition("/")
    name = rest.rpartition("/")[2]
    kind = next((kind for kind in KINDS if kind.noun == noun), None)
    if arn.service != "iam" or kind is None or not name:
        raise InvalidInput("Invalid Entity Arn: ARN does not clearly define entity type and name.")
    if (arn.partition, arn.account) != (state.world.partition, state.account):
        raise NoSuchEntity(f"The {noun} with name {name} cannot be found.")
    applied = applied_policies(state, kind, kind.find(state, name))
    documents = [policy.document for policy in applied if policy.document is not None]
    return _keys_in([*documents, *_given(query.policy_input_list)])


def _given(documents: Iterable[str]) -> list[Document]:
    try:
        return [read_document(document) for document in documents]
    except MalformedPolicyDocument as error:
        raise InvalidInput(error.message) from error


def _keys_in(documents: Iterable[Document]) -> list[str]:
    keys: dict[str, str] = {}  # as first spelled, by the spelling in lower case
    for document in documents:
        for statement in document.statements:
            for key in _keys_of(statement, with_variables=document.version == "2012-10-17"):
                keys.setdefault(key.lower(), key)
    return list(keys.values())


def _keys_of(statement: Statement, *, with_variables: bool) -> Iterator[str]:
    """Variables are there since the version 2012-10-17; before, they are text like any other."""
    if with_variables:
        for resource in statement.resources:
            yield from _variables(resource)
    for keys in statement.condition.values():
        for key, values in keys.items():
            yield key
            if with_variables:
                for value in values if isinstance(values, list) else (values,):
                    yield from _variables(str(value))


def _variables(text: str) -> Iterator[str]:
    for variable in _VARIABLE.findall(text):
        key = variable.partition(",")[0].strip()
        if key and key not in _CHARACTERS:
            yield key
