"""Amazon Resource Names of IAM: made from parts, and taken apart."""

from typing import Final

import msgspec

from iam.errors import IamError, ValidationError

POLICY = "policy"

PARTITIONS: Final = ("aws", "aws-cn", "aws-us-gov")
"""Those that accounts can be in. Policy documents may name more of them."""

DEFAULT_PARTITION: Final = "aws"


class Arn(msgspec.Struct, frozen=True, gc=False):
    """The six parts of an ARN; `resource` is everything after the fifth colon."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account}:{self.resource}"


def parse_arn(text: str, refusal: type[IamError] = ValidationError) -> Arn:
    """Take an ARN apart. Raises `refusal`, with AWS's text for whatever is not an ARN."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not (parts[1] and parts[2] and parts[5]):
        raise refusal(f"ARN {text} is not valid.")
    return Arn(*parts[1:])


def partition_of(arn: str) -> str:
    """The partition that an actor's ARN tells; the default one where it tells none that accounts can be in."""
    _, _, rest = arn.partition(":")
    partition = rest.partition(":")[0]
    return partition if partition in PARTITIONS else DEFAULT_PARTITION


def iam_arn(partition: str, account: str, kind: str, path: str, name: str) -> str:
    """The ARN of an entity: its kind, its path (which begins and ends with a slash) and its name."""
    return f"arn:{partition}:iam::{account}:{kind}{path}{name}"


def root_arn(partition: str, account: str) -> str:
    """The ARN of an account's root user."""
    return f"arn:{partition}:iam::{account}:root"


def policy_path_and_name(arn: str) -> tuple[str, str]:
    """Where a managed policy lives and what it is called, both of which its ARN tells."""
    path, _, name = arn.split(":", 5)[5].removeprefix(POLICY).rpartition("/")
    return f"{path}/", name
