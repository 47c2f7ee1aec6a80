"""ARNs: what is one, and what it tells."""

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from iam.arns import Arn, iam_arn, parse_arn, partition_of, policy_path_and_name, root_arn
from iam.errors import IamError, InvalidInput, ValidationError

ACCOUNT = "123456789012"
PARTS = st.text(st.characters(exclude_characters=":"), min_size=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ReadOnlyAccess",
        "arn:aws:iam::aws",
        "arn:aws:iam::aws:",
        "arn::iam::aws:policy/ReadOnlyAccess",
        "arn:aws:::aws:policy/ReadOnlyAccess",
        "ARN:aws:iam::aws:policy/ReadOnlyAccess",
        " arn:aws:iam::aws:policy/ReadOnlyAccess",
    ],
)
@pytest.mark.parametrize("refusal", [ValidationError, InvalidInput])
def test_what_is_not_an_arn_is_named_in_the_refusal(text: str, refusal: type[IamError]) -> None:
    """An ARN has six parts, of which region and account may be empty; the caller chooses the code."""
    with pytest.raises(refusal) as refused:
        parse_arn(text, refusal)

    assert refused.value.message == f"ARN {text} is not valid."


def test_a_resource_may_hold_colons() -> None:
    """Everything after the fifth colon is one part."""
    arn = parse_arn("arn:aws:sns:eu-west-1:123456789012:topic:subscription")

    assert arn == Arn("aws", "sns", "eu-west-1", ACCOUNT, "topic:subscription")


@for_all(PARTS, PARTS, st.just("") | PARTS, st.just("") | PARTS, st.text(min_size=1))
def test_an_arn_taken_apart_prints_as_it_was(
    partition: str, service: str, region: str, account: str, resource: str
) -> None:
    """Nothing is normalised: AWS compares ARNs exactly."""
    text = f"arn:{partition}:{service}:{region}:{account}:{resource}"

    assert str(parse_arn(text)) == text


@pytest.mark.parametrize(
    ("kind", "path", "name", "arn"),
    [
        ("user", "/", "alice", "arn:aws:iam::123456789012:user/alice"),
        ("user", "/div/sub/", "alice", "arn:aws:iam::123456789012:user/div/sub/alice"),
        ("policy", "/a//b/", "reads", "arn:aws:iam::123456789012:policy/a//b/reads"),
    ],
)
def test_an_entity_s_arn_is_its_kind_its_path_and_its_name(kind: str, path: str, name: str, arn: str) -> None:
    """The region is empty, and the path brings the slashes."""
    assert iam_arn("aws", ACCOUNT, kind, path, name) == arn


@pytest.mark.parametrize(
    ("arn", "partition"),
    [
        ("arn:aws:iam::123456789012:root", "aws"),
        ("arn:aws-cn:iam::123456789012:user/alice", "aws-cn"),
        ("arn:aws-us-gov:iam::123456789012:root", "aws-us-gov"),
        ("arn:aws-iso:iam::123456789012:root", "aws"),
        ("arn:moon:iam::123456789012:root", "aws"),
        ("arn", "aws"),
        ("", "aws"),
    ],
)
def test_an_actor_s_arn_tells_the_partition(arn: str, partition: str) -> None:
    """One that accounts can be in; whatever else there is counts as the default."""
    assert partition_of(arn) == partition


def test_other_partitions_and_the_root_user_have_arns() -> None:
    """Every account is in one of them."""
    assert iam_arn("aws-cn", ACCOUNT, "user", "/", "alice") == "arn:aws-cn:iam::123456789012:user/alice"
    assert root_arn("aws", ACCOUNT) == "arn:aws:iam::123456789012:root"


@pytest.mark.parametrize(
    ("arn", "path", "name"),
    [
        ("arn:aws:iam::aws:policy/AdministratorAccess", "/", "AdministratorAccess"),
        ("arn:aws:iam::aws:policy/job-function/Billing", "/job-function/", "Billing"),
        ("arn:aws:iam::123456789012:policy/a/b/c", "/a/b/", "c"),
    ],
)
def test_a_policy_s_arn_tells_its_path_and_name(arn: str, path: str, name: str) -> None:
    """So attachments need not look the policy up."""
    assert policy_path_and_name(arn) == (path, name)
