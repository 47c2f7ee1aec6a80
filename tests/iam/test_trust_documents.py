"""Trust policies: what AWS takes, what it refuses, and in which words."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from iam.commands import Command
from iam.errors import LimitExceeded, MalformedPolicyDocument
from iam.quotas import Quotas
from iam.relations import TrustPolicy
from iam.roles import CreateRole, DeleteRole
from iam.trust_documents import check_trust, shown_trust
from iam.users import CreateUser, DeleteUser, UpdateUser

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


# Whom it names


ALICE = f"arn:aws:iam::{ACCOUNT}:user/div/alice"
READER = f"arn:aws:iam::{ACCOUNT}:role/reader"
THERE = (CreateUser(user_name="alice", path="/div/"), role("reader"))  # AIDA1 and AROA1
NOT_FOLLOWED = (
    "*",
    ACCOUNT,
    f"arn:aws:iam::{ACCOUNT}:root",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/session",
    "arn:aws:iam::210987654321:user/div/alice",
)


def shown(given: Callable[..., Any], document: str, *later: Command) -> str:
    """A document that is written while alice and reader are there, as it is shown after what happens then."""
    history = given(*THERE)
    trust = TrustPolicy(document, check_trust(history.account, document))
    return shown_trust(history.also(*later).account, trust)


@pytest.mark.parametrize(
    ("principals", "meant"),
    [
        (ALICE, {ALICE: "AIDA1"}),
        (["AIDA1", "AROA1", "AIDA1"], {"AIDA1": "AIDA1", "AROA1": "AROA1"}),
        ([READER, *NOT_FOLLOWED, ALICE], {READER: "AROA1", ALICE: "AIDA1"}),
        (list(NOT_FOLLOWED), {}),
    ],
)
def test_users_and_roles_of_the_account_are_meant_by_their_ids(
    given: Callable[..., Any], principals: str | list[str], meant: dict[str, str]
) -> None:
    """Nobody else is: accounts, sessions and other accounts' users are what is written."""
    assert check_trust(given(*THERE).account, with_(Principal={"AWS": principals})) == meant


NEW_NAME = UpdateUser(user_name="alice", new_user_name="bob")
NEW_PATH = UpdateUser(user_name="alice", new_path="/")
GONE = DeleteUser(user_name="alice")
AGAIN = CreateUser(user_name="alice", path="/div/")
ROLE_GONE = DeleteRole(role_name="reader")
ROLE_AGAIN = role("reader")


@pytest.mark.parametrize(
    ("principals", "later", "expected"),
    [
        (ALICE, [NEW_NAME], f"arn:aws:iam::{ACCOUNT}:user/div/bob"),
        (ALICE, [NEW_PATH], f"arn:aws:iam::{ACCOUNT}:user/alice"),
        (ALICE, [GONE], "AIDA1"),
        (ALICE, [GONE, AGAIN], "AIDA1"),
        (ALICE, [NEW_NAME, AGAIN], f"arn:aws:iam::{ACCOUNT}:user/div/bob"),
        ([ALICE], [GONE], ["AIDA1"]),
        ([READER, ALICE], [ROLE_GONE], ["AROA1", ALICE]),
        (READER, [ROLE_GONE, ROLE_AGAIN], "AROA1"),
        ("AIDA1", [], ALICE),
        ("AIDA1", [NEW_NAME], f"arn:aws:iam::{ACCOUNT}:user/div/bob"),
        (["AROA1", ALICE, "AIDA1"], [], [READER, ALICE, ALICE]),
        ([*NOT_FOLLOWED, ALICE], [GONE, ROLE_GONE], [*NOT_FOLLOWED, "AIDA1"]),
    ],
)
def test_a_principal_is_shown_as_it_is_called_now(
    given: Callable[..., Any], principals: str | list[str], later: list[Command], expected: str | list[str]
) -> None:
    """By its ARN after a new name or path, by its id once it is gone; another one of its name is not meant."""
    document = with_(Principal={"AWS": principals})

    assert json.loads(shown(given, document, *later)) == json.loads(with_(Principal={"AWS": expected}))


@pytest.mark.parametrize("later", [[], [NEW_NAME, UpdateUser(user_name="bob", new_user_name="alice")], [ROLE_GONE]])
def test_a_trust_policy_stays_as_written_where_nobody_is_called_otherwise(
    given: Callable[..., Any], later: list[Command]
) -> None:
    """Character for character, with its white space and escapes."""
    document = f" {with_(Principal={'AWS': [ALICE, '*']}, Sid='x')}\n".replace("x", "\\u0078")

    assert shown(given, document, *later) == document


def test_only_principals_are_shown_otherwise(given: Callable[..., Any]) -> None:
    """The same text in a condition or a Sid, and other statements, stay as they are."""
    condition = {"ArnLike": {"aws:PrincipalArn": [ALICE, "AIDA1"]}, "Bool": {"aws:SecureTransport": True}}
    service = {**STATEMENT, "Principal": {"Service": "ec2.amazonaws.com"}}

    def document(principal: str) -> str:
        named = {"AWS": principal, "Service": "ec2.amazonaws.com"}
        return policy({**STATEMENT, "Sid": ALICE, "Principal": named, "Condition": condition}, service, Id=ALICE)

    assert json.loads(shown(given, document(ALICE), GONE)) == json.loads(document("AIDA1"))


def test_a_single_statement_is_no_list_afterwards(given: Callable[..., Any]) -> None:
    """What need not change stays in its form, and members in their order."""
    written = f'{{"Statement": {{"Principal": {{"AWS": "{ALICE}"}}, "Action": "sts:AssumeRole", "Effect": "Allow"}}}}'

    assert shown(given, written, GONE) == written.replace(ALICE, "AIDA1").replace(" ", "")


def test_a_trust_policy_from_before_ids_were_kept_is_shown_as_written(given: Callable[..., Any]) -> None:
    """It tells nobody's id."""
    account = given(*THERE, NEW_NAME).account

    for name in (ALICE, "AIDA1", READER):
        assert shown_trust(account, TrustPolicy(with_(Principal={"AWS": name}))) == with_(Principal={"AWS": name})
