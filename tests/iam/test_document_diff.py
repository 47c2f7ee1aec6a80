"""What changed between two documents: what means the same, how statements are matched, what a difference says."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iam.document_diff import BeforeAfter, DocumentDiff, ElementDiff, StatementDiff, diff_documents

READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::reports/*"}
START = {"Effect": "Deny", "Action": "ec2:RunInstances", "Resource": "arn:aws:ec2:*:*:instance/*"}

Statement = dict[str, Any]


def text(*statements: Statement, **members: Any) -> str:
    """A document of these statements."""
    return json.dumps({"Version": "2012-10-17", **members, "Statement": list(statements)})


def changed(before: Statement, after: Statement) -> dict[str, ElementDiff]:
    """The elements of the one statement that changed; nothing else did."""
    diff = diff_documents(text(before), text(after))
    assert diff is not None
    [statement] = diff.changed
    assert diff == DocumentDiff(changed=(statement,))
    return statement.elements


CONDITION = {**READ, "Condition": {"StringEquals": {"aws:username": ["alice", "bob"]}}}

SAME: dict[str, tuple[str, str]] = {
    "white space": (text(READ), json.dumps(json.loads(text(READ)), indent=4)),
    "order of keys": (text(READ), json.dumps(dict(reversed(json.loads(text(READ)).items())))),
    "order of elements": (text(READ), text(dict(reversed(READ.items())))),
    "escapes": (text({**READ, "Resource": "é"}), text({**READ, "Resource": "é"}).replace("\\u00e9", "é")),
    "a lone value in brackets": (
        text(READ),
        text({**READ, "Action": ["s3:GetObject"], "Resource": [READ["Resource"]]}),
    ),
    "a lone statement in brackets": (text(READ), json.dumps({"Version": "2012-10-17", "Statement": READ})),
    "order of actions": (text({**READ, "Action": ["a:b", "c:d"]}), text({**READ, "Action": ["c:d", "a:b"]})),
    "order of resources": (text({**READ, "Resource": ["x", "y"]}), text({**READ, "Resource": ["y", "x"]})),
    "order of values": (
        text(CONDITION),
        text({**READ, "Condition": {"StringEquals": {"aws:username": ["bob", "alice"]}}}),
    ),
    "a repeated value": (text({**READ, "Resource": ["x", "y"]}), text({**READ, "Resource": ["x", "y", "x"]})),
    "case of an action": (text(READ), text({**READ, "Action": "S3:getobject"})),
    "case of an excluded action": (
        text({"Effect": "Deny", "NotAction": ["iam:*", "sts:*"], "Resource": "*"}),
        text({"Effect": "Deny", "NotAction": ["STS:*", "IAM:*"], "Resource": "*"}),
    ),
    "order of statements": (text(READ, START), text(START, READ)),
    "order of named statements": (
        text({"Sid": "R", **READ}, {"Sid": "S", **START}),
        text({"Sid": "S", **START}, {"Sid": "R", **READ}),
    ),
    "an empty Sid": (text(READ), text({"Sid": "", **READ})),
    "a condition that asks nothing": (text(READ), text({**READ, "Condition": {"StringEquals": {}}})),
    "text that is no JSON": ("no JSON", "no JSON"),
}


@pytest.mark.parametrize("name", SAME)
def test_documents_that_differ_in_this_only_mean_the_same(name: str) -> None:
    """Whichever of the two came first."""
    before, after = SAME[name]

    assert diff_documents(before, after) is None
    assert diff_documents(after, before) is None


ELEMENTS: dict[str, tuple[Statement, Statement, dict[str, ElementDiff]]] = {
    "the effect is another": (READ, {**READ, "Effect": "Deny"}, {"Effect": ElementDiff(before="Allow", after="Deny")}),
    "an action is added": (
        READ,
        {**READ, "Action": ["s3:PutObject", "s3:GETObject"]},
        {"Action": ElementDiff(added=("s3:PutObject",))},
    ),
    "an action is removed": (
        {**READ, "Action": ["s3:PutObject", "s3:GetObject", "s3:List*"]},
        READ,
        {"Action": ElementDiff(removed=("s3:PutObject", "s3:List*"))},
    ),
    "one resource for another": (
        READ,
        {**READ, "Resource": "*"},
        {"Resource": ElementDiff(added=("*",), removed=("arn:aws:s3:::reports/*",))},
    ),
    "the case of a resource counts": (
        READ,
        {**READ, "Resource": "arn:aws:s3:::Reports/*"},
        {"Resource": ElementDiff(added=("arn:aws:s3:::Reports/*",), removed=("arn:aws:s3:::reports/*",))},
    ),
    "an element turns into its negation": (
        READ,
        {"Effect": "Allow", "NotAction": "s3:GetObject", "Resource": READ["Resource"]},
        {
            "Action": ElementDiff(before=["s3:GetObject"]),
            "NotAction": ElementDiff(after=["s3:GetObject"]),
        },
    ),
    "a condition appears": (
        READ,
        CONDITION,
        {"Condition.StringEquals.aws:username": ElementDiff(after=["alice", "bob"])},
    ),
    "a condition disappears": (
        CONDITION,
        READ,
        {"Condition.StringEquals.aws:username": ElementDiff(before=["alice", "bob"])},
    ),
    "a value of a condition is added": (
        {**READ, "Condition": {"StringEquals": {"aws:username": "alice"}}},
        CONDITION,
        {"Condition.StringEquals.aws:username": ElementDiff(added=("bob",))},
    ),
    "another operator": (
        {**READ, "Condition": {"StringEquals": {"aws:username": "alice"}}},
        {**READ, "Condition": {"ForAnyValue:StringLike": {"aws:username": "alice"}}},
        {
            "Condition.ForAnyValue:StringLike.aws:username": ElementDiff(after=["alice"]),
            "Condition.StringEquals.aws:username": ElementDiff(before=["alice"]),
        },
    ),
    "types of values count": (
        {**READ, "Condition": {"Bool": {"aws:SecureTransport": [True, 1, "1"]}}},
        {**READ, "Condition": {"Bool": {"aws:SecureTransport": ["true", 1, "1"]}}},
        {"Condition.Bool.aws:SecureTransport": ElementDiff(added=("true",), removed=(True,))},
    ),
    "the case of a value counts": (
        {**READ, "Condition": {"StringEquals": {"aws:username": "alice"}}},
        {**READ, "Condition": {"StringEquals": {"aws:username": "Alice"}}},
        {"Condition.StringEquals.aws:username": ElementDiff(added=("Alice",), removed=("alice",))},
    ),
    "a condition that nothing meets appears": (
        READ,
        {**READ, "Condition": {"StringEquals": {"aws:username": []}}},
        {"Condition.StringEquals.aws:username": ElementDiff(after=[])},
    ),
    "the statement gets a Sid": (READ, {"Sid": "Read", **READ}, {"Sid": ElementDiff(after="Read")}),
    "the statement gets another Sid": (
        {"Sid": "A", **READ},
        {"Sid": "B", **READ},
        {"Sid": ElementDiff(before="A", after="B")},
    ),
    "several, ordered by name": (
        READ,
        {"Resource": "*", "Effect": "Deny", "Action": "s3:GetObject"},
        {
            "Effect": ElementDiff(before="Allow", after="Deny"),
            "Resource": ElementDiff(added=("*",), removed=("arn:aws:s3:::reports/*",)),
        },
    ),
}


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_changed_statement_says_what_changed_in_each_element(name: str) -> None:
    """And nothing of the others."""
    before, after, elements = ELEMENTS[name]
    found = changed(before, after)

    assert found == elements
    assert list(found) == sorted(found)


def test_statements_of_one_sid_are_matched_though_others_are_more_alike() -> None:
    """The Sid is the name of a statement, where only one has it."""
    diff = diff_documents(
        text({"Sid": "A", **READ}, {"Sid": "B", **START}), text({"Sid": "A", **START}, {"Sid": "C", **READ})
    )
    assert diff is not None

    assert [(statement.sid, statement.statement) for statement in diff.changed] == [("A", BeforeAfter(1, 1))]
    assert diff.removed == ({"Sid": "B", **START},)
    assert diff.added == ({"Sid": "C", **READ},)


def test_a_statement_that_got_another_sid_goes_by_its_numbers() -> None:
    """`sid` is a name only where both documents know the statement by it."""
    diff = diff_documents(text(START, {"Sid": "A", **READ}), text({"Sid": "B", **READ}, START))

    elements = {"Sid": ElementDiff(before="A", after="B")}
    assert diff == DocumentDiff(changed=(StatementDiff(BeforeAfter(2, 1), elements),))


def test_of_statements_without_sid_the_most_alike_are_matched() -> None:
    """Equal ones first; what nothing is like is added or removed. Numbers count from 1."""
    three = {**READ, "Action": ["a:b", "c:d", "e:f"]}
    more = {**three, "Action": ["a:b", "c:d", "e:f", "g:h"]}
    fewer = {**three, "Action": ["a:b", "c:d"]}
    diff = diff_documents(text(three, READ, START), text(READ, fewer, more, {**READ, "Resource": "x", "Action": "y:z"}))

    assert diff == DocumentDiff(
        added=(fewer, {**READ, "Resource": "x", "Action": "y:z"}),
        removed=(START,),
        changed=(StatementDiff(BeforeAfter(1, 3), {"Action": ElementDiff(added=("g:h",))}),),
    )


def test_an_effect_in_common_makes_no_statements_alike() -> None:
    """Else each statement that is removed would have become each one that is added."""
    diff = diff_documents(text(READ), text({**START, "Effect": "Allow"}))

    assert diff == DocumentDiff(added=({**START, "Effect": "Allow"},), removed=(READ,))


def test_version_and_id_of_the_document_are_told() -> None:
    """Both say something to AWS or to people, and a missing one is None."""
    diff = diff_documents(text(READ, Version="2008-10-17"), text(READ, Id="mine"))

    assert diff == DocumentDiff(version=BeforeAfter("2008-10-17", "2012-10-17"), id=BeforeAfter(None, "mine"))


@pytest.mark.parametrize(
    "other",
    [
        "",
        "{",
        "[]",
        "null",
        "{}",
        '{"Statement":1}',
        '{"Statement":[1]}',
        '{"Statement":[],"More":1}',
        '{"Statement":{"Action":{"a":1}}}',
        '{"Statement":{"Condition":{"Bool":{"a":{"b":1}}}}}',
        '{"Statement":{"Action":null}}',
        '{"Statement":{"Action":1e999}}',
        '{"Statement":{"Action":"\\ud800"}}',
        '{"Statement":{"Action":"\ud800"}}',
        '{"Statement":' + "[" * 100_000,
        '{"Statement":{"Condition":' + '{"a":' * 100_000,
    ],
    ids=lambda other: other[:40].encode("unicode_escape").decode(),
)
def test_what_is_no_policy_document_is_compared_as_text(other: str) -> None:
    """Whichever end it stands at, and whatever it is."""
    assert diff_documents(text(READ), other) == DocumentDiff(text=BeforeAfter(text(READ), other))
    assert diff_documents(other, text(READ)) == DocumentDiff(text=BeforeAfter(other, text(READ)))
    assert diff_documents(other, other) is None


def test_a_difference_is_short_json() -> None:
    """What did not change is left out of it."""
    before = {"Sid": "R", **READ}
    diff = diff_documents(text(before), text({**before, "Action": "s3:*", "Effect": "Deny"}))

    assert msgspec.to_builtins(diff) == {
        "changed": (
            {
                "statement": {"before": 1, "after": 1},
                "sid": "R",
                "elements": {
                    "Action": {"added": ("s3:*",), "removed": ("s3:GetObject",)},
                    "Effect": {"before": "Allow", "after": "Deny"},
                },
            },
        )
    }


def listed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, or a list of some."""
    return values | st.lists(values, max_size=3)


ACTION = listed(st.sampled_from(("s3:GetObject", "S3:getobject", "s3:PutObject", "*")))
RESOURCE = listed(st.sampled_from(("*", "arn:aws:s3:::a", "arn:aws:s3:::A")))
VALUE = listed(st.sampled_from(("alice", "1", 1, 1.0, True, "true", 10**30)))
KEYS = st.dictionaries(st.sampled_from(("aws:username", "aws:x.y")), VALUE, max_size=2)
STATEMENT = st.fixed_dictionaries(
    {"Effect": st.sampled_from(("Allow", "Deny"))},
    optional={
        "Sid": st.sampled_from(("", "A", "B")),
        "Action": ACTION,
        "NotAction": ACTION,
        "Resource": RESOURCE,
        "NotResource": RESOURCE,
        "Condition": st.dictionaries(st.sampled_from(("StringLike", "Bool")), KEYS, max_size=2),
    },
)
DOCUMENT = st.fixed_dictionaries(
    {"Statement": STATEMENT | st.lists(STATEMENT, max_size=4)},
    optional={"Version": st.sampled_from(("2008-10-17", "2012-10-17")), "Id": st.sampled_from("xy")},
)


def as_list(value: Any) -> list[Any]:
    """The value in brackets, if it has none."""
    return value if isinstance(value, list) else [value]


def elements(statement: Statement) -> dict[str, set[str]]:
    """A statement in a form that is equal for those that mean the same."""
    plain: dict[str, set[str]] = {}
    for name, value in statement.items():
        if name == "Condition":
            for operator, keys in value.items():
                for key, values in keys.items():
                    plain[f"{name}.{operator}.{key}"] = {repr(each) for each in as_list(values)}
        elif name.endswith("Action"):
            plain[name] = {repr(action.lower()) for action in as_list(value)}
        elif value != "":
            plain[name] = {repr(each) for each in as_list(value)}
    return plain


def meaning(document: dict[str, Any]) -> Any:
    """A document in a form that is equal for those that mean the same."""
    statements = sorted(
        repr(sorted((k, sorted(v)) for k, v in elements(s).items())) for s in as_list(document["Statement"])
    )
    return document.get("Version"), document.get("Id"), statements


def forms(name: str, values: Any) -> set[str]:
    """The values of an element, in the form of `elements`."""
    return {repr(value.lower() if name.endswith("Action") else value) for value in values}


def applied(diff: DocumentDiff, before: dict[str, Any]) -> Any:
    """What the document came to mean, from what it was and the difference alone."""
    statements = [elements(statement) for statement in as_list(before["Statement"])]
    for change in diff.changed:
        statement = statements[change.statement.before - 1]
        for name, element in change.elements.items():
            if element.added or element.removed:
                statement[name] = statement[name] - forms(name, element.removed) | forms(name, element.added)
            elif element.after is None:
                del statement[name]
            else:
                statement[name] = forms(name, as_list(element.after))
    for removed in diff.removed:
        statements.remove(elements(removed))
    statements += [elements(added) for added in diff.added]
    plain = sorted(repr(sorted((k, sorted(v)) for k, v in statement.items())) for statement in statements)
    version = diff.version.after if diff.version else before.get("Version")
    return version, diff.id.after if diff.id else before.get("Id"), plain


@settings(max_examples=400)
@given(DOCUMENT, DOCUMENT)
def test_a_difference_leads_from_the_one_document_to_the_other(before: dict[str, Any], after: dict[str, Any]) -> None:
    """So it is complete; and there is none exactly where they mean the same."""
    diff = diff_documents(json.dumps(before), json.dumps(after))

    assert (diff is None) == (meaning(before) == meaning(after))
    if diff is not None:
        assert applied(diff, before) == meaning(after)
        assert msgspec.json.decode(msgspec.json.encode(diff), type=DocumentDiff) == diff


def rewritten(document: dict[str, Any], draw: Callable[[st.SearchStrategy[Any]], Any]) -> dict[str, Any]:
    """The document in other words."""

    def shuffled(values: Any) -> Any:
        values = draw(st.permutations(as_list(values)))
        return values[0] if len(values) == 1 and draw(st.booleans()) else values

    def other(name: str, value: Any) -> Any:
        if name == "Condition":
            return {
                operator: {key: shuffled(values) for key, values in keys.items()} for operator, keys in value.items()
            }
        if name.endswith("Action"):
            return shuffled([draw(st.sampled_from((each, each.upper(), each.lower()))) for each in as_list(value)])
        return shuffled(value) if name.endswith("Resource") else value

    statements = [
        {name: other(name, value) for name, value in draw(st.permutations([*statement.items()]))}
        for statement in as_list(document["Statement"])
    ]
    return dict(draw(st.permutations([*{**document, "Statement": shuffled(statements)}.items()])))


@given(DOCUMENT, st.data())
def test_a_document_in_other_words_means_the_same(document: dict[str, Any], data: st.DataObject) -> None:
    """All the ways to write the same at once."""
    other = rewritten(document, data.draw)

    assert diff_documents(json.dumps(document), json.dumps(other, indent=data.draw(st.sampled_from((None, 1))))) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("Statement", "Version", "Sid", "Effect", "Action", "Condition", "x")), inner)
    ),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps), st.text() | JSON.map(json.dumps))
def test_no_text_is_refused(before: str, after: str) -> None:
    """What is stored may have been valid by other rules; a difference is told all the same."""
    assert diff_documents(before, before) is None
    assert (diff_documents(before, after) is None) == (diff_documents(after, before) is None)
