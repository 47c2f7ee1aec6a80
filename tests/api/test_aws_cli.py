"""A tour with the AWS command line interface as its users type it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.conftest import Account

ADMIN = "arn:aws:iam::aws:policy/AdministratorAccess"
DOCUMENT = """{
  "Version": "2012-10-17",
  "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/a%20b"}]
}
"""
SERVICE_REFUSED = (254, 255)
"""The exit statuses of AWS CLI 2 and of AWS CLI 1."""

Aws = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def aws(account: Account, tmp_path: Path) -> Aws:
    """`aws iam …` against the service, without anybody's own configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {
        "AWS_ENDPOINT_URL_IAM": account.server.url,
        "AWS_ENDPOINT_URL_STS": account.server.url,
        "AWS_ACCESS_KEY_ID": account.id,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "HOME": str(tmp_path),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("aws")
        return subprocess.run(
            [program, *arguments],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout else None


def test_a_user_is_made_given_policies_and_looked_at(aws: Aws, account: Account, tmp_path: Path) -> None:
    """create-user, attach-user-policy, put-user-policy from a file, get-user-policy, list-…, get-caller-identity."""
    user = answer(aws("iam", "create-user", "--user-name", "alice", "--tags", "Key=team,Value=a b"))["User"]
    assert user["Arn"] == f"arn:aws:iam::{account.id}:user/alice"
    assert answer(aws("iam", "attach-user-policy", "--user-name", "alice", "--policy-arn", ADMIN)) is None
    (tmp_path / "policy.json").write_text(DOCUMENT)
    put = ("--user-name", "alice", "--policy-name", "inline", "--policy-document", "file://policy.json")
    assert answer(aws("iam", "put-user-policy", *put)) is None
    shown = answer(aws("iam", "get-user-policy", "--user-name", "alice", "--policy-name", "inline"))
    assert shown == {"UserName": "alice", "PolicyName": "inline", "PolicyDocument": json.loads(DOCUMENT)}
    assert account.events(action="PutUserPolicy")[0]["event"]["policy_document"] == DOCUMENT
    attached = answer(aws("iam", "list-attached-user-policies", "--user-name", "alice"))
    assert attached == {"AttachedPolicies": [{"PolicyName": "AdministratorAccess", "PolicyArn": ADMIN}]}
    assert answer(aws("sts", "get-caller-identity"))["Account"] == account.id


def test_a_list_is_taken_up_where_it_was_left(aws: Aws, account: Account) -> None:
    """--max-items and --starting-token, and pages of a size of their own."""
    for name in ("a", "b", "c"):
        account.query("CreateUser", UserName=name)
    first = answer(aws("iam", "list-users", "--max-items", "2"))
    rest = answer(aws("iam", "list-users", "--max-items", "2", "--starting-token", first["NextToken"]))
    assert [user["UserName"] for user in first["Users"] + rest["Users"]] == ["a", "b", "c"]
    assert "NextToken" not in rest
    names = aws("iam", "list-users", "--page-size", "1", "--query", "Users[].UserName", "--output", "text")
    assert names.stdout.split() == ["a", "b", "c"]


def test_a_refusal_ends_the_command_with_its_message(aws: Aws, account: Account) -> None:
    """The exit status for the service's refusals, and AWS's words."""
    missing = aws("iam", "get-user", "--user-name", "nobody")
    assert missing.returncode in SERVICE_REFUSED
    assert (
        "An error occurred (NoSuchEntity) when calling the GetUser operation: "
        "The user with name nobody cannot be found." in missing.stderr
    )
    absent = aws("iam", "simulate-custom-policy", "--policy-input-list", "{}", "--action-names", "s3:GetObject")
    assert absent.returncode in SERVICE_REFUSED
    assert "(NotImplemented)" in absent.stderr
