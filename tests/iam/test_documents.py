"""What AWS answers to policy documents, and that no text whatever brings the validator down."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.documents import counted_size, validate
from iam.errors import MalformedPolicyDocument

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "cases" / "documents.json").read_text(encoding="utf-8")
)
VALID = [case["document"] for case in CASES if case["message"] is None and isinstance(case["document"], dict)]

SYNTAX = "Syntax errors in policy."
STATEMENT = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*",%s}}'


def answer(document: str, *, managed: bool = True) -> str | None:
    """The message with which the document is refused, or None."""
    try:
        validate(document, managed=managed)
    except MalformedPolicyDocument as refusal:
        return refusal.message
    return None


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_a_document_is_answered_as_aws_answers_it(case: dict[str, Any]) -> None:
    """The first stage that fails gives the message; a good document gives none."""
    document = case["document"]
    text = document if isinstance(document, str) else json.dumps(document)
    assert answer(text, managed=case["managed"]) == case["message"]


def test_case_names_are_distinct() -> None:
    """A name says which case failed."""
    assert len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize(
    "document",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 60_000 + "]" * 60_000,
        STATEMENT % ('"Principal":' + '{"a":' * 20_000 + "1" + "}" * 20_000),
        STATEMENT % ('"Principal":{"AWS":' + "[" * 50_000 + "]" * 50_000 + "}"),
        STATEMENT % ('"Condition":{"NumericEquals":{"a":' + "9" * 100_000 + "}}"),
        STATEMENT % ('"Condition":{"NumericEquals":{"a":1e' + "9" * 100_000 + "}}"),
        '{"Version":"2012-10-17","Statement":"\ud800"}',
    ],
    ids=[
        "open brackets",
        "open objects",
        "closed brackets",
        "a deep principal",
        "a deep array",
        "a huge integer",
        "a huge exponent",
        "a lone surrogate",
    ],
)
def test_monstrous_json_is_a_syntax_error_and_a_quick_one(document: str) -> None:
    """Depth, length and bad Unicode neither exhaust the stack nor hold up the service."""
    started = time.perf_counter()
    assert answer(document) == SYNTAX
    assert time.perf_counter() - started < 2


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("DateEquals", "0" * 100_000 + "x"),
        ("DateEquals", "9" * 100_000),
        ("DateEquals", "-" * 100_000),
        ("NumericEquals", "1" * 100_000 + "x"),
        ("IpAddress", "10.0.0.0/" + "1" * 100_000),
        ("IpAddress", ":" * 100_000),
    ],
)
def test_long_condition_values_are_refused_quickly(operator: str, value: str) -> None:
    """Patterns do not run away on text made to mislead them."""
    started = time.perf_counter()
    document = STATEMENT % f'"Condition":{{"{operator}":{{"a":"{value}"}}}}'
    assert answer(document) == "The policy failed legacy parsing"
    assert time.perf_counter() - started < 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)

elements = st.sampled_from(
    [
        "Version",
        "Id",
        "Statement",
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Principal",
        "Condition",
        "DateEquals",
        "IpAddress",
        "ArnLike",
        "Null",
    ]
)

fragments = st.sampled_from(
    ["", "*", ":", "::", "arn:aws", "arn:aws:s3:::x", "arn:aws:iam::1:root", "Allow", "2012-10-17", "${a}"]
)


@st.composite
def mutated_policies(draw: st.DrawFn) -> str:
    """A valid policy in which something was replaced, added or removed, or its text was damaged."""
    document = json.loads(json.dumps(draw(st.sampled_from(VALID))))
    place: Any = document
    while isinstance(place, dict | list) and place:
        names = list(place) if isinstance(place, dict) else list(range(len(place)))
        name = draw(st.sampled_from(names))
        if draw(st.booleans()) and isinstance(place[name], dict | list):
            place = place[name]
            continue
        match draw(st.sampled_from(["replace", "add", "remove"])):
            case "replace":
                place[name] = draw(fragments | json_values)
            case "add" if isinstance(place, dict):
                place[draw(elements)] = draw(fragments | json_values)
            case _:
                del place[name]
        break
    text = json.dumps(document)
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + draw(st.text(max_size=3)) + text[cut + draw(st.integers(0, 2)) :]
    return text


documents = st.text() | json_values.map(json.dumps) | mutated_policies()
any_text = documents | st.text(st.characters(codec=None, categories=None))


@given(any_text, st.booleans())
def test_nothing_but_malformed_policy_document_escapes(document: str, managed: bool) -> None:
    """Whatever the text, it is accepted or refused by name, and asking again gives the same answer."""
    assert answer(document, managed=managed) == answer(document, managed=managed)


@given(mutated_policies())
def test_what_is_good_for_a_managed_policy_is_good_for_an_inline_one(document: str) -> None:
    """Inline policies differ from managed ones only in the versions they may have."""
    if answer(document) is None:
        assert answer(document, managed=False) is None


@given(mutated_policies())
def test_white_space_between_tokens_changes_no_answer(document: str) -> None:
    """How a document is laid out means nothing."""
    try:
        content = json.loads(document)
    except ValueError:
        return
    assert answer(json.dumps(content, indent="\t")) == answer(json.dumps(content, separators=(",", ":")))


@pytest.mark.parametrize(
    ("document", "size"),
    [
        ("", 0),
        ("{}", 2),
        (" {\t}\r\n", 2),
        ('{"Sid": "a b"}', 12),
        ("\u00a0\u2003\v\f", 4),
        ("\u00e9\U0001f600", 2),
    ],
)
def test_only_space_tab_line_feed_and_carriage_return_are_not_counted(document: str, size: int) -> None:
    """Quotas count code points other than JSON's white space, inside of strings too."""
    assert counted_size(document) == size


@given(st.text())
def test_layout_does_not_change_the_counted_size(document: str) -> None:
    """White space added anywhere is free."""
    assert counted_size(" \n".join(document) + "\t\r") == counted_size(document)
