"""Which services policies grant, who could use them, and which context keys policies speak of."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from iam.attached_policies import AttachGroupPolicy, AttachRolePolicy, AttachUserPolicy
from iam.boundaries import PutUserPermissionsBoundary
from iam.context_keys import (
    GetContextKeysForCustomPolicy,
    GetContextKeysForPrincipalPolicy,
    get_context_keys_for_custom_policy,
    get_context_keys_for_principal_policy,
)
from iam.documents import read_document
from iam.errors import AccessDenied, IamError, InvalidInput, NoSuchEntity, ValidationError
from iam.events.groups import GroupCreated, UserAddedToGroup
from iam.events.policies import PolicyCreated
from iam.events.roles import RoleCreated
from iam.events.users import UserCreated
from iam.groups import AddUserToGroup, CreateGroup
from iam.inline_policies import PutGroupPolicy, PutRolePolicy, PutUserPolicy
from iam.last_accessed import (
    GenerateServiceLastAccessedDetails,
    GetServiceLastAccessedDetails,
    GetServiceLastAccessedDetailsWithEntities,
    Job,
    generate_details,
    job_id,
    list_entities,
    list_services,
    read_job,
)
from iam.policies import CreatePolicy
from iam.roles import CreateRole
from iam.service_access import (
    Access,
    Globs,
    ListPoliciesGrantingServiceAccess,
    list_policies_granting_service_access,
)
from iam.services import SERVICES
from iam.users import CreateUser

NOW = datetime(2026, 11, 3, 14, 3, tzinfo=UTC)
IAM = "arn:aws:iam::123456789012"
TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"*"}}}'
USER_ID, MEMBER_ID = "AIDAQ3EGP6PLZ5QXWTE7A", "AIDAQ3EGP6PLZ5QXWTE7B"
GROUP_ID, ROLE_ID, POLICY_ID = "AGPAQ3EGP6PLR6HWLTB2K", "AROAQ3EGP6PLW4DUYQN5C", "ANPAQ3EGP6PLW4DUYQN5D"


def policy(*statements: dict[str, Any]) -> str:
    """A document of these statements, on all resources unless they say otherwise."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement_of(each) for each in statements]})


def statement_of(told: dict[str, Any]) -> dict[str, Any]:
    """A statement, which allows and is on all resources unless it says otherwise."""
    resource = {} if "NotResource" in told else {"Resource": "*"}
    return {"Effect": "Allow", **resource, **told}


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    """A statement that allows these actions."""
    return {"Action": list(actions), **more}


def deny(*actions: str, **more: Any) -> dict[str, Any]:
    """A statement that denies these actions."""
    return {"Effect": "Deny", "Action": list(actions), **more}


GET = allow("s3:GetObject")
NOBODY = {"StringEquals": {"aws:username": "nobody"}}
A, B = "arn:aws:s3:::a/*", "arn:aws:s3:::b/*"


# What a document grants. Recorded from AWS but for those marked ours.


@pytest.mark.parametrize(
    ("statements", "granted"),
    [
        ([GET], ["s3"]),
        ([deny("s3:*")], []),
        ([GET, deny("s3:*")], []),
        ([allow("s3:GetObject", Condition=NOBODY)], ["s3"]),
        ([allow("s3:Get*")], ["s3"]),
        ([allow("S3:GETOBJECT")], ["s3"]),
        ([{"NotAction": "s3:*"}], ["iam", "sqs"]),
        ([allow("s3:GetObject", NotResource="*")], []),
        ([allow("iam:PassRole")], ["iam"]),
        ([GET, deny("s3:*", Condition=NOBODY)], ["s3"]),
        ([allow("s3:GetObject", Resource=A), deny("s3:*", Resource=B)], ["s3"]),
        ([allow("s3:GetObject", Resource=A), deny("s3:*", Resource=A)], ["s3"]),
        ([allow("s3:*"), deny("s3:*", Resource=A)], ["s3"]),
        ([allow("s3:GetObject", Resource=A), allow("s3:GetObject", NotResource=A)], ["s3"]),
        ([allow("s3:GetObject", Resource=A), deny("s3:GetObject", NotResource=A)], ["s3"]),
        ([allow("unheard:Of")], []),
        # ours
        ([allow("*")], ["iam", "s3", "sqs"]),
        ([allow("*"), deny("s3:*", "sqs:*")], ["iam"]),
        ([allow("*"), deny("*")], []),
        ([allow("*"), deny("s3:Get*")], ["iam", "s3", "sqs"]),
        ([allow("s3:Get*"), deny("s3:GetObject")], ["s3"]),
        ([allow("s3:Get*"), deny("s3:Get?")], ["s3"]),
        ([allow("s3:GetObject"), deny("s3:Get?bject")], []),
        ([allow("s3:GetObject", "s3:PutObject"), deny("s3:GetObject")], ["s3"]),
        ([allow("*"), {"Effect": "Deny", "NotAction": "iam:*"}], ["iam"]),
        ([GET, {"Effect": "Deny", "NotAction": ["s3:GetObject"]}], ["s3"]),
        ([GET, {"Effect": "Deny", "NotAction": ["s3:PutObject", "iam:*"]}], []),
        ([{"NotAction": ["s3:Get*", "*"]}], []),
        ([{"NotAction": ["s3:GetObject"]}], ["iam", "s3", "sqs"]),
        ([GET, deny("s3:*", Condition={})], []),
        ([allow("*:*")], ["iam", "s3", "sqs"]),
        ([allow("*"), deny("*:*")], []),
        ([{"NotAction": "*:*"}], []),
        ([GET, {"Effect": "Deny", "NotAction": "*:*"}], ["s3"]),
        ([GET, {"Effect": "Deny", "NotAction": "S3:getobject"}], ["s3"]),
        ([allow("s3:Get*"), {"Effect": "Deny", "NotAction": "s3:PutObject"}], ["s3"]),
        ([GET, {"Effect": "Deny", "NotAction": "s3:Put*"}], ["s3"]),
        ([{"NotAction": "s3:**"}], ["iam", "sqs"]),
        ([{"NotAction": "s3:"}], ["iam", "s3", "sqs"]),
        ([allow("s3:Get Object", "s3:* ")], []),
        ([GET, {"Effect": "Deny", "NotAction": "s3:Get Object"}], []),
        ([{"NotAction": ["s3:*", "iam:*"]}, {"NotAction": ["s3:*", "sqs:*"]}], ["iam", "sqs"]),
        ([allow("*"), deny("s3:**", "sqs:*?")], ["iam", "sqs"]),
    ],
)
def test_a_document_grants_the_services_that_aws_says_it_does(
    statements: Sequence[dict[str, Any]], granted: list[str]
) -> None:
    """Asked one by one, and asked for all."""
    access = Access([read_document(policy(*statements))])
    assert [name for name in ("iam", "s3", "sqs") if access.grants(name)] == granted
    assert [name for name in access.services() if name in ("iam", "s3", "sqs")] == granted


def stands_for(pattern: str, text: str) -> bool:
    """The same as is said of one pattern in `Globs`, spelled out: every way to match is tried."""
    if not pattern or not text:
        return not pattern.strip("*") and not text
    if pattern[0] == "*":
        return stands_for(pattern[1:], text) or stands_for(pattern, text[1:])
    return pattern[0] in (text[0], "?") and text[0] != "*" and stands_for(pattern[1:], text[1:])


GLOB = st.text("ab?*", max_size=7)


@for_all(st.lists(GLOB, max_size=4), GLOB)
def test_patterns_cover_what_one_of_them_stands_for(patterns: list[str], text: str) -> None:
    """Whatever stands beside it; a text may be a pattern itself."""
    assert Globs(patterns).cover(text) == any(stands_for(pattern, text) for pattern in patterns)


MANY = [f"{a}{b}{c}" for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh"]


@pytest.mark.parametrize(
    ("allowed", "denied", "granted"),
    [
        (["a" * 60], ["*a" * 12 + "b"], True),
        (["a" * 60], ["*a" * 12 + "*b*", "*a" * 12], False),
        (["a" * 5900], ["*a" * 2900 + "b"], True),
        (["a" * 5900], ["*a?" * 1900 + "*"], False),
        (MANY, [f"*{name}*" for name in MANY], False),
        ([f"{name}*" for name in MANY], [f"*{name}?*" for name in MANY], True),
    ],
)
def test_many_stars_and_many_patterns_are_matched_at_once(allowed: list[str], denied: list[str], granted: bool) -> None:
    """Trying every way to match would not end, or hold up everybody for long."""
    said = policy(allow(*(f"s3:{name}" for name in allowed)), deny(*(f"s3:{name}" for name in denied)))
    assert Access([read_document(said)]).grants("s3") == granted


def test_what_is_unreadable_grants_nothing() -> None:
    """Nor does no document at all."""
    assert Access([None]).services() == Access([]).services() == []


def test_services_are_known_by_aws_s_names() -> None:
    """As AWS's reports call them."""
    assert {name: SERVICES[name] for name in ("ec2", "iam", "kms", "lambda", "s3", "sns", "sqs")} == {
        "ec2": "Amazon EC2",
        "iam": "AWS Identity and Access Management",
        "kms": "AWS Key Management Service",
        "lambda": "AWS Lambda",
        "s3": "Amazon S3",
        "sns": "Amazon SNS",
        "sqs": "Amazon SQS",
    }
    assert list(SERVICES) == sorted(SERVICES)


# Policies that grant a service


@pytest.fixture
def account(given: Callable[..., Any]) -> Any:
    """A user in two groups, with a policy that comes to it by two ways."""
    shared = f"{IAM}:policy/shared"
    return given(
        CreateUser(user_name="Target", path="/div/"),
        CreateGroup(group_name="zgroup"),
        CreateGroup(group_name="agroup"),
        CreateRole(role_name="web", assume_role_policy_document=TRUST),
        CreatePolicy(policy_name="shared", policy_document=policy(allow("sqs:SendMessage", "s3:GetObject"))),
        PutUserPolicy(
            user_name="target", policy_name="z-direct", policy_document=policy(allow("s3:Get*", "iam:*"), deny("sqs:*"))
        ),
        PutGroupPolicy(group_name="zgroup", policy_name="a-group", policy_document=policy(allow("lambda:*"))),
        PutGroupPolicy(group_name="agroup", policy_name="Z-group", policy_document=policy(allow("iam:GetUser"))),
        PutRolePolicy(role_name="web", policy_name="in-role", policy_document=policy(allow("kms:ListKeys"))),
        AddUserToGroup(group_name="zgroup", user_name="target"),
        AddUserToGroup(group_name="agroup", user_name="target"),
        AttachUserPolicy(user_name="target", policy_arn=shared),
        AttachGroupPolicy(group_name="zgroup", policy_arn=shared),
        AttachRolePolicy(role_name="web", policy_arn=shared),
        PutUserPermissionsBoundary(
            user_name="target", permissions_boundary="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
    )


def grants(account: Any, arn: str, *services: str) -> dict[str, list[tuple[str, str]]]:
    """Of each service, the policies' names and of whom they are."""
    query = ListPoliciesGrantingServiceAccess(arn=arn, service_namespaces=services)
    return {
        found.service_namespace: [
            (each.policy_name, "managed" if each.policy_arn else f"{each.kind.noun} {each.name}")
            for each in found.policies
        ]
        for _, found in list_policies_granting_service_access(account.account, query, "")
    }


def test_policies_that_grant_a_service_to_a_user_come_from_its_groups_too(account: Any) -> None:
    """Each once, by name; what another policy denies does not matter, nor does the boundary."""
    found = grants(account, f"{IAM}:user/div/Target", "sqs", "s3", "iam", "lambda", "ec2", "s3")
    assert list(found.items()) == [
        ("sqs", [("shared", "managed")]),
        ("s3", [("shared", "managed"), ("z-direct", "user Target")]),
        ("iam", [("z-direct", "user Target"), ("Z-group", "group agroup")]),
        ("lambda", [("a-group", "group zgroup")]),
        ("ec2", []),
    ]


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        ("group/zgroup", {"s3": [("shared", "managed")], "iam": [], "kms": []}),
        ("role/web", {"s3": [("shared", "managed")], "iam": [], "kms": [("in-role", "role web")]}),
        (
            "user/other/target",
            {
                "s3": [("shared", "managed"), ("z-direct", "user Target")],
                "iam": [("z-direct", "user Target"), ("Z-group", "group agroup")],
                "kms": [],
            },
        ),
    ],
)
def test_any_identity_is_found_by_its_name_whatever_the_path(account: Any, arn: str, found: Any) -> None:
    """Groups and roles have their own policies only."""
    assert grants(account, f"{IAM}:{arn}", "s3", "iam", "kms") == found


def test_the_list_goes_on_behind_a_service(account: Any) -> None:
    """In the order in which they were asked for, up to two hundred."""
    asked = tuple(SERVICES)[:200]
    query = ListPoliciesGrantingServiceAccess(arn=f"{IAM}:role/web", service_namespaces=asked)
    keys = [key for key, _ in list_policies_granting_service_access(account.account, query, "")]
    assert keys == sorted(set(keys))
    rest = [
        found.service_namespace for _, found in list_policies_granting_service_access(account.account, query, keys[98])
    ]
    assert rest == list(asked[99:])


BAD_ARNS: list[tuple[str, type[IamError], str]] = [
    (f"{IAM}:user/nobody", NoSuchEntity, f"ARN {IAM}:user/nobody does not exist."),
    ("arn:aws:s3::123456789012:user/target", ValidationError, "Invalid service in ARN"),
    ("arn:aws-cn:iam::123456789012:user/target", ValidationError, "Invalid ARN partition"),
    (
        "arn:aws:iam::999999999999:user/target",
        AccessDenied,
        "User: arn:aws:iam::123456789012:root is not authorized to perform the operation on "
        "arn:aws:iam::999999999999:user/target",
    ),
    ("no ARN, but long enough", ValidationError, "ARN no ARN, but long enough is not valid."),
]


@pytest.mark.parametrize(
    ("arn", "refusal", "message"),
    [
        *BAD_ARNS,
        (f"{IAM}:policy/shared", InvalidInput, f"Invalid Entity Arn: {IAM}:policy/shared is not supported."),
        (f"{IAM}:root", InvalidInput, f"Could not extract entity from ARN : {IAM}:root"),
    ],
)
def test_arns_of_other_things_are_refused(account: Any, arn: str, refusal: type[IamError], message: str) -> None:
    """In AWS's recorded words, before the services are looked at."""
    with pytest.raises(refusal) as refused:
        grants(account, arn, "unheard")
    assert (type(refused.value), refused.value.message) == (refusal, message)


def test_services_that_aws_does_not_have_are_refused_together(account: Any) -> None:
    """Case matters."""
    with pytest.raises(InvalidInput) as refused:
        grants(account, f"{IAM}:role/web", "S3", "s3", "IAM")
    assert refused.value.message == "Invalid service namespace: [S3, IAM]"


# Last accessed

EVERY_ID = st.tuples(
    st.sampled_from(["AIDA", "AGPA", "AROA", "ANPA"]),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", min_size=17, max_size=17),
).map("".join)


@for_all(EVERY_ID, st.sampled_from(["SERVICE_LEVEL", "ACTION_LEVEL"]), st.integers(0, 2**40 - 1))
def test_the_id_of_a_job_holds_all_of_it(unique_id: str, granularity: str, ticks: int) -> None:
    """In the 36 characters of a UUID; the time in hundredths of a second."""
    job = Job(unique_id, granularity, datetime(2020, 1, 1, tzinfo=UTC) + ticks * timedelta(milliseconds=10))
    assert len(job_id(job)) == 36
    assert read_job(job_id(job)) == job


@pytest.mark.parametrize("text", ["x" * 36, "00000000-0000-0000-0000-000000000000", "f" * 36])
def test_the_id_of_no_job_is_refused(account: Any, text: str) -> None:
    """Whether it is in the right form or not."""
    with pytest.raises(NoSuchEntity) as refused:
        list(list_services(account.account, GetServiceLastAccessedDetails(job_id=text), ""))
    assert refused.value.message == f"Job {text} does not exist."


@pytest.fixture
def living(given: Callable[..., Any]) -> Any:
    """An account whose ids are as long as in life: users, a group and a role that carry policies."""
    created = {"path": "/div/", "created_at": NOW}
    member = UserAddedToGroup(group_id=GROUP_ID, group_name="team", user_id=USER_ID, user_name="Alice")
    return given(
        UserCreated(user_id=USER_ID, user_name="Alice", **created),
        UserCreated(user_id=MEMBER_ID, user_name="bob", **created),
        GroupCreated(group_id=GROUP_ID, group_name="team", **created),
        RoleCreated(role_id=ROLE_ID, role_name="aaa", assume_role_policy_document=TRUST, **created),
        PolicyCreated(
            policy_id=POLICY_ID,
            policy_arn=f"{IAM}:policy/reads",
            policy_name="reads",
            path="/",
            created_at=NOW,
            policy_document=policy(GET),
        ),
        member,
        PutGroupPolicy(group_name="team", policy_name="p", policy_document=policy(allow("sqs:*", "lambda:*"))),
        PutUserPolicy(user_name="alice", policy_name="p", policy_document=policy(deny("sqs:*"))),
        AttachUserPolicy(user_name="bob", policy_arn=f"{IAM}:policy/reads"),
        AttachGroupPolicy(group_name="team", policy_arn=f"{IAM}:policy/reads"),
        AttachRolePolicy(role_name="aaa", policy_arn=f"{IAM}:policy/reads"),
    )


def job_on(account: Any, arn: str) -> str:
    """The id of a job about this, asked for now."""
    query = GenerateServiceLastAccessedDetails(arn=arn)
    return job_id(Job(*generate_details(account.account, query), NOW))


@pytest.mark.parametrize(
    ("resource", "services", "entities"),
    [
        ("user/div/Alice", ["lambda", "s3"], ["Alice"]),
        ("user/elsewhere/ALICE", ["lambda", "s3"], ["Alice"]),
        ("user/bob", ["s3"], ["bob"]),
        ("group/div/team", ["lambda", "s3", "sqs"], ["Alice"]),
        ("role/div/aaa", ["s3"], ["aaa"]),
        ("policy/reads", ["s3"], ["Alice", "bob", "aaa"]),
    ],
)
def test_a_report_lists_the_services_granted_and_who_could_use_them(
    living: Any, resource: str, services: list[str], entities: list[str]
) -> None:
    """What one policy denies another cannot grant here; users come before roles."""
    job = job_on(living, f"{IAM}:{resource}")
    assert [
        name for _, name in list_services(living.account, GetServiceLastAccessedDetails(job_id=job), "")
    ] == services
    asked = GetServiceLastAccessedDetailsWithEntities(job_id=job, service_namespace="s3")
    found = list(list_entities(living.account, asked, ""))
    assert [entity.name for _, entity in found] == entities
    assert [entity.name for _, entity in list_entities(living.account, asked, found[0][0])] == entities[1:]
    asked = GetServiceLastAccessedDetailsWithEntities(job_id=job, service_namespace="kms")
    assert list(list_entities(living.account, asked, "")) == []


def test_a_report_can_be_about_a_policy_of_aws(living: Any) -> None:
    """Which is found by its id alone."""
    job = job_on(living, "arn:aws:iam::aws:policy/ReadOnlyAccess")
    assert list(list_services(living.account, GetServiceLastAccessedDetails(job_id=job), "")) == []


@pytest.mark.parametrize(
    ("arn", "refusal", "message"),
    [
        *BAD_ARNS,
        (f"{IAM}:policy/none", NoSuchEntity, f"ARN {IAM}:policy/none does not exist."),
        (f"{IAM}:root", InvalidInput, f"Invalid Entity Arn: {IAM}:root is not supported."),
        (f"{IAM}:mfa/alice", InvalidInput, f"Invalid Entity Arn: {IAM}:mfa/alice is not supported."),
    ],
)
def test_a_job_must_be_about_something_that_is_there(
    living: Any, arn: str, refusal: type[IamError], message: str
) -> None:
    """A user, group, role or policy of the account, or a policy of AWS."""
    with pytest.raises(refusal) as refused:
        job_on(living, arn)
    assert (type(refused.value), refused.value.message) == (refusal, message)


def test_entities_are_asked_for_a_service_that_aws_has(living: Any) -> None:
    """The misspelling is AWS's."""
    asked = GetServiceLastAccessedDetailsWithEntities(job_id=job_on(living, f"{IAM}:user/bob"), service_namespace="S3")
    with pytest.raises(InvalidInput) as refused:
        list_entities(living.account, asked, "")
    assert refused.value.message == "Service namepace S3 is either invalid or unsupported."


# Context keys


@pytest.mark.parametrize(
    ("document", "keys"),
    [
        (policy(GET), []),
        (
            policy(
                allow(
                    "dynamodb:*",
                    Resource="arn:aws:dynamodb:us-west-2:123456789012:table/${aws:username}",
                    Condition={"DateGreaterThan": {"aws:CurrentTime": "2015-08-16T12:00:00Z"}},
                )
            ),
            ["aws:username", "aws:CurrentTime"],
        ),
        (
            policy(allow("*", Condition={"StringLike": {"s3:prefix": ["", "home/${aws:userid}/*"]}})),
            ["s3:prefix", "aws:userid"],
        ),
        (
            policy(allow("*", Resource="arn:aws:s3:::${*}${?}${$}/${aws:PrincipalTag/team, 'none'}")),
            ["aws:PrincipalTag/team"],
        ),
        (
            policy(allow("*", Condition={"Bool": {"a:B": "true"}, "Null": {"A:b": "true", "c:d": "false"}})),
            ["a:B", "c:d"],
        ),
        (policy(deny("*", NotResource="arn:aws:s3:::${a:b}/${a:b}")), ["a:b"]),
        (policy(allow("*", Resource="arn:aws:s3:::${a:b}")).replace("2012-10-17", "2008-10-17"), []),
    ],
)
def test_context_keys_are_listed_in_the_order_in_which_they_come(
    given: Callable[..., Any], document: str, keys: list[str]
) -> None:
    """Once, as first spelled; variables are there in the newer version of the language only."""
    query = GetContextKeysForCustomPolicy(policy_input_list=(document, document))
    assert get_context_keys_for_custom_policy(given().account, query) == keys


def test_context_keys_of_a_user_are_those_of_its_groups_and_of_what_is_given_too(given: Callable[..., Any]) -> None:
    """In that order; boundaries are no part of it."""
    keyed = [policy(allow("*", Condition={"Bool": {f"key:{n}": "true"}})) for n in range(5)]
    account = given(
        CreateUser(user_name="alice"),
        CreateGroup(group_name="team"),
        AddUserToGroup(group_name="team", user_name="alice"),
        CreatePolicy(policy_name="p1", policy_document=keyed[1]),
        CreatePolicy(policy_name="p3", policy_document=keyed[3]),
        PutUserPolicy(user_name="alice", policy_name="p", policy_document=keyed[0]),
        AttachUserPolicy(user_name="alice", policy_arn=f"{IAM}:policy/p1"),
        PutGroupPolicy(group_name="team", policy_name="p", policy_document=keyed[2]),
        PutUserPermissionsBoundary(user_name="alice", permissions_boundary=f"{IAM}:policy/p3"),
        AttachUserPolicy(user_name="alice", policy_arn="arn:aws:iam::aws:policy/AdministratorAccess"),
    )

    def keys(arn: str, *documents: str) -> Sequence[str]:
        query = GetContextKeysForPrincipalPolicy(policy_source_arn=arn, policy_input_list=documents)
        return get_context_keys_for_principal_policy(account.account, query)

    assert keys(f"{IAM}:user/any/path/Alice", keyed[4]) == ["key:0", "key:1", "key:2", "key:4"]
    assert keys(f"{IAM}:group/team") == ["key:2"]


@pytest.mark.parametrize(
    ("arn", "documents", "refusal", "message"),
    [
        (f"{IAM}:user/nobody", (), NoSuchEntity, "The user with name nobody cannot be found."),
        (f"{IAM}:role/nobody", (), NoSuchEntity, "The role with name nobody cannot be found."),
        ("arn:aws:iam::999999999999:user/alice", (), NoSuchEntity, "The user with name alice cannot be found."),
        ("arn:aws-cn:iam::123456789012:user/alice", (), NoSuchEntity, "The user with name alice cannot be found."),
        *(
            (arn, (), InvalidInput, "Invalid Entity Arn: ARN does not clearly define entity type and name.")
            for arn in (
                f"{IAM}:root",
                f"{IAM}:policy/p",
                f"{IAM}:user/",
                "arn:aws:sts::123456789012:assumed-role/web/session",
            )
        ),
        ("nothing like an ARN at all", (), InvalidInput, "ARN nothing like an ARN at all is not valid."),
        (f"{IAM}:user/alice", ("{",), InvalidInput, "Syntax errors in policy."),
    ],
)
def test_context_keys_are_asked_of_identities_and_documents(
    given: Callable[..., Any], arn: str, documents: tuple[str, ...], refusal: type[IamError], message: str
) -> None:
    """Whoever is not there, and whatever is none, is refused."""
    query = GetContextKeysForPrincipalPolicy(policy_source_arn=arn, policy_input_list=documents)
    with pytest.raises(refusal) as refused:
        get_context_keys_for_principal_policy(given(CreateUser(user_name="alice")).account, query)
    assert (type(refused.value), refused.value.message) == (refusal, message)
