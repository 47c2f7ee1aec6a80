"""Trust policies: what AWS takes, what it refuses, and in which words."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from iam.errors import LimitExceeded, MalformedPolicyDocument
from iam.quotas import Quotas
from iam.roles import CreateRole, DeleteRole
from iam.trust_documents import check_trust
from iam.users import CreateUser, DeleteUser

ACCOUNT = "123456789012"
STATEMENT: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
ACTIONS = "AssumeRole policy may only specify STS AssumeRole actions."
FEDERATED = "Federated principals must be valid domain names or SAML metadata ARNs"
NO_PRINCIPALS = (
    "Invalid principal in policy: com.amazon.balsa.error.InvalidPolicyException: "
    "The passed in policy has a statement with no principals!"
)
SIDS = "The Statement Ids in the policy are not unique"
EMPTY = "Could not parse the policy: Statement is empty!"
ALLOWED = "Allow with NotPrincipal is not allowed."
NOT_PRINCIPAL = "AssumeRole policy must not contain NotPrincipal field."
NOT_RESOURCE = "AssumeRole policy must not contain resources."
COGNITO = "A condition block must be present for the Cognito provider"
JSON = "This policy contains invalid Json"


def policy(*statements: Any, **elements: Any) -> str:
    """A trust policy of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **elements})


def with_(**elements: Any) -> str:
    """A trust policy with a good statement but for these elements; None leaves an element out."""
    merged = {**STATEMENT, **elements}
    return policy({name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize(
    "document",
    [
        with_(),
        json.dumps({"Statement": STATEMENT}),
        json.dumps({"Version": "2008-10-17", "Id": "x", "Statement": [STATEMENT, STATEMENT]}),
        policy({**STATEMENT, "Sid": ""}, {**STATEMENT, "Sid": ""}, {**STATEMENT, "Sid": "with space"}),
        " \n" + with_() + "\n",
        with_(Effect="Deny"),
        with_(Principal={"AWS": ["210987654321", "arn:aws:iam::210987654321:role/div/other"]}),
        with_(Principal={"AWS": [f"arn:aws:iam::{ACCOUNT}:root", "arn:aws-cn:iam::210987654321:user/x"]}),
        with_(Principal={"AWS": [f"arn:aws:iam::{ACCOUNT}:user/div/alice", f"arn:aws:iam::{ACCOUNT}:role/reader"]}),
        with_(Principal={"AWS": ["AIDA1", "AROA1"]}),
        with_(Principal={"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/session"}),
        with_(Principal={"Service": ["ec2.amazonaws.com", "states.us-east-1.amazonaws.com"], "AWS": "*"}),
        with_(Principal={"Federated": "accounts.google.com"}, Action="sts:AssumeRoleWithWebIdentity"),
        with_(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:saml-provider/x"}, Action="sts:AssumeRoleWithSAML"),
        with_(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.eks.amazonaws.com/id/A"}),
        with_(Action=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity", "STS:setcontext"]),
        with_(Action="sts:*"),
        with_(Action="sts:AssumeRole*"),
        with_(Condition={"StringEquals": {"sts:ExternalId": ["1", "2"]}, "Bool": {"aws:MultiFactorAuthPresent": True}}),
        with_(Condition={}),
        with_(Effect="Deny", NotAction="sts:AssumeRole", Action=None),
        with_(
            Principal={"Federated": "cognito-identity.amazonaws.com"},
            Action="sts:AssumeRoleWithWebIdentity",
            Condition={"StringEquals": {"cognito-identity.amazonaws.com:aud": "us-east-1:pool"}},
        ),
    ],
)
def test_what_aws_takes_is_taken(given: Callable[..., Any], document: str) -> None:
    """Also what it would refuse elsewhere: no Resource, no Version, several kinds of principals."""
    there = given(CreateUser(user_name="alice", path="/div/"), role("reader"))

    check_trust(there.account, document)


def role(name: str) -> CreateRole:
    return CreateRole(role_name=name, assume_role_policy_document=with_())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("some policy", JSON),
        ("{", JSON),
        ("[]", JSON),
        ('"text"', JSON),
        ("[" * 5000, JSON),
        (with_().replace('"Effect"', '"Effect": "Allow", "Effect"'), JSON),
        (policy("text"), JSON),
        (with_(Sid=1), JSON),
        (with_(Condition="x"), JSON),
        (with_(Condition={"StringEquals": "x"}), JSON),
        (with_(Condition={"NoOperator": {"a": "b"}}), JSON),
        (with_(Condition={"StringEquals": {"a": {"b": "c"}}}), JSON),
        (with_(Action=[1]), JSON),
        (with_(Principal=1), JSON),
        (with_(Principal={"AWS": 1}), JSON),
        ("{}", "Missing required field Statement"),
        (policy(), EMPTY),
        (policy(STATEMENT, Version="2012-10-18"), "The policy must contain a valid version string"),
        (policy(STATEMENT, Other=1), "Unknown field Other"),
        (with_(Other=1), "Unknown field Other"),
        (with_(Resource="*"), "Has prohibited field Resource"),
        (with_(NotResource="*"), NOT_RESOURCE),
        (with_(NotPrincipal={"AWS": "*"}, Principal=None), ALLOWED),
        (with_(NotPrincipal={"AWS": "*"}, Principal=None, Effect="Deny"), NOT_PRINCIPAL),
        (policy({"Effect": "Deny", "NotPrincipal": {}}, {"Effect": "Allow", "NotPrincipal": {}}), ALLOWED),
        (with_(Resource="*", Principal=None, Action="s3:GetObject"), "Missing required field Principal"),
        (with_(Resource="*", Action="s3:GetObject"), ACTIONS),
        (with_(Resource="*", Principal={"AWS": "alice"}), "Has prohibited field Resource"),
        (with_(Principal=None), "Missing required field Principal"),
        (with_(Effect=None), "Missing required field Effect"),
        (with_(Action=None), "Missing required field Action"),
        (with_(Action=[]), "Missing required field Action"),
        (with_(Effect="allow"), "Invalid effect: allow"),
        (policy({**STATEMENT, "Sid": "a"}, {**STATEMENT, "Sid": "a"}), SIDS),
        (with_(Action="s3:GetObject"), ACTIONS),
        (with_(Action=["sts:AssumeRole", "sts:GetCallerIdentity"]), ACTIONS),
        (with_(Action="*"), ACTIONS),
        (with_(Action="AssumeRole"), ACTIONS),
        (with_(Action="sts:[a]ssumerole"), ACTIONS),
        (with_(NotAction="s3:GetObject", Action=None), ACTIONS),
        (with_(NotAction="sts:AssumeRole"), "Syntax error in policy."),
        (with_(Principal={}), "Missing required field Principal cannot be empty!"),
        (with_(Principal={"AWS": []}), NO_PRINCIPALS),
        (with_(Principal="*"), "Principal must be a JSON object."),
        (with_(Principal={"Federated": "cognito-identity.amazonaws.com"}), COGNITO),
        (with_(Principal={"AWS": "alice"}), 'Invalid principal in policy: "AWS":"alice"'),
        (with_(Principal={"AWS": "1234"}), 'Invalid principal in policy: "AWS":"1234"'),
        (with_(Principal={"AWS": "AIDAGONE"}), 'Invalid principal in policy: "AWS":"AIDAGONE"'),
        *(
            (with_(Principal={"AWS": arn}), f'Invalid principal in policy: "AWS":"{arn}"')
            for arn in (
                f"arn:aws:iam::{ACCOUNT}:user/nobody",
                f"arn:aws:iam::{ACCOUNT}:user/alice",
                f"arn:aws:iam::{ACCOUNT}:role/nothing",
                f"arn:aws:iam::{ACCOUNT}:group/team",
                f"arn:aws:iam::{ACCOUNT}:user/*",
                "arn:aws:iam::1234567890:root",
                "arn:aws:iam:us-east-1:123456789012:root",
                "arn:other:iam::123456789012:root",
                "arn:aws:s3:::bucket",
            )
        ),
        (with_(Principal={"Service": "*"}), 'Invalid principal in policy: "SERVICE":"*"'),
        (with_(Principal={"Service": "ec2"}), 'Invalid principal in policy: "SERVICE":"ec2"'),
        (with_(Principal={"Other": "x"}), 'Invalid principal in policy: "OTHER":"x"'),
        (with_(Principal={"Federated": "*"}), FEDERATED),
        (with_(Principal={"Federated": f"arn:aws:iam::{ACCOUNT}:user/x"}), FEDERATED),
    ],
)  # fmt: skip
def test_what_aws_refuses_is_refused_in_its_words(given: Callable[..., Any], document: str, message: str) -> None:
    """The first fault is told: effect, form of the principal, condition, actions, resources, and then who is meant."""
    there = given(CreateUser(user_name="alice", path="/div/"), role("reader"))

    with pytest.raises(MalformedPolicyDocument) as refused:
        check_trust(there.account, document)

    assert refused.value.message == message


def test_a_principal_that_was_deleted_is_none(given: Callable[..., Any]) -> None:
    """By name or id, a user or a role of the account must be there when it is named."""
    gone = given(CreateUser(user_name="a"), role("b"), DeleteUser(user_name="a"), DeleteRole(role_name="b")).account

    for principal in (f"arn:aws:iam::{ACCOUNT}:user/a", f"arn:aws:iam::{ACCOUNT}:role/b", "AIDA1", "AROA1"):
        with pytest.raises(MalformedPolicyDocument):
            check_trust(gone, with_(Principal={"AWS": principal}))


def test_the_size_of_a_trust_policy_is_counted_without_white_space(given: Callable[..., Any]) -> None:
    """The quota is the account's own; what is over it is refused by the name AWS has for it."""
    size = len("".join(with_().split()))

    check_trust(given(quotas=Quotas(assume_role_policy_size=size)).account, with_() + " " * 3000)
    with pytest.raises(LimitExceeded) as refused:
        check_trust(given(quotas=Quotas(assume_role_policy_size=size - 1)).account, with_())
    assert refused.value.message == f"Cannot exceed quota for ACLSizePerRole: {size - 1}"
