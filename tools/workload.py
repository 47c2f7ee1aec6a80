"""What the benchmark asks of IAM: who and what there is at first, the requests, and whether it all was carried out.

Every server gets the same. What is read is never changed meanwhile. Every write changes something: what changes nothing
is not recorded, and would be no measure of a durable write.
"""

from collections.abc import Iterator
from itertools import count, cycle
from random import Random

from tools.failure import Failure
from tools.load import ACCOUNT, ask, call, get, send

WRITERS = 1000  # users that are changed
READERS = 200  # users with an inline policy and three attached ones
POLICIES = 1000
DOCUMENTS = 997  # prime to the number of writers: so that a document is never put twice in a row
INLINE = "inline"
SEED = 1
CLIENTS = 64
SECONDS_MAX = 120.0


async def prepare(port: int) -> None:
    """Make the policies and users. Raises Failure if the server does not do it."""
    for requests in (_create_policies(), _create_users(), _equip_readers()):
        turn = await send(CLIENTS, port, requests, SECONDS_MAX)
        if turn.failed or next(requests, None):
            raise Failure(f"{turn.failed} of {turn.answers} requests failed while users were made")
    await _must_answer(port, call("GetUserPolicy", UserName=_reader(7), PolicyName=INLINE), "Sid", "S7")
    await _must_answer(port, call("ListAttachedUserPolicies", UserName=_reader(7)), *map(_policy, range(3)))


async def check(port: int) -> None:
    """Find what `attach`, `put` and `create` have written first. Raises Failure if it is not there."""
    await _must_answer(port, call("ListAttachedUserPolicies", UserName=_writer(0)), _arn(0))
    await _must_answer(port, call("GetUserPolicy", UserName=_writer(0), PolicyName=INLINE), "Sid")
    await _must_answer(port, call("GetUser", UserName=_created(0)), f"user/{_created(0)}")


async def _must_answer(port: int, request: bytes, *wanted: str) -> None:
    answer = (await ask(port, request)).decode()
    if missing := [word for word in wanted if word not in answer]:
        raise Failure(f"a server does not know what was written to it: {', '.join(missing)} is not in {answer}")


def attach() -> Iterator[bytes]:
    """AttachUserPolicy, each of another policy or user; a million of them."""
    return (_attach(_writer(user), policy) for policy in range(POLICIES) for user in range(WRITERS))


def put() -> Iterator[bytes]:
    """PutUserPolicy, each of another document than the user has."""
    return (_put(_writer(number % WRITERS), number % DOCUMENTS) for number in count())


def create() -> Iterator[bytes]:
    """CreateUser, each of another name."""
    return (call("CreateUser", UserName=_created(number)) for number in count())


def get_user() -> Iterator[bytes]:
    """GetUser of the readers."""
    return cycle([call("GetUser", UserName=_reader(n)) for n in range(READERS)])


def get_policy() -> Iterator[bytes]:
    """GetUserPolicy of the readers."""
    return cycle([call("GetUserPolicy", UserName=_reader(n), PolicyName=INLINE) for n in range(READERS)])


def list_attached() -> Iterator[bytes]:
    """ListAttachedUserPolicies of the readers."""
    return cycle([call("ListAttachedUserPolicies", UserName=_reader(n)) for n in range(READERS)])


def list_attached_at(first: int, last: int) -> Iterator[bytes]:
    """ListAttachedUserPolicies of the writers, each at a position by chance between these two."""
    chance = Random(SEED)
    return cycle(
        [
            call("ListAttachedUserPolicies", path=f"/at/@{chance.randint(first, last)}/", UserName=_writer(n))
            for n in range(WRITERS)
        ]
    )


def policies_at(first: int, last: int) -> Iterator[bytes]:
    """The policies of the writers in the native API, each at a position by chance between these two."""
    chance = Random(SEED)
    return cycle([get(f"/v1/users/{_writer(n)}/policies?at=@{chance.randint(first, last)}") for n in range(WRITERS)])


def events_of_users() -> Iterator[bytes]:
    """The latest events of the writers, a page each."""
    return cycle([get(f"/v1/events?user={_writer(n)}&order=desc") for n in range(WRITERS)])


def events_of_policies() -> Iterator[bytes]:
    """The latest events of the policies, a page each."""
    return cycle([get(f"/v1/events?policy={_arn(n)}&order=desc") for n in range(POLICIES)])


def _create_policies() -> Iterator[bytes]:
    return (call("CreatePolicy", PolicyName=_policy(n), PolicyDocument=_document(n)) for n in range(POLICIES))


def _create_users() -> Iterator[bytes]:
    names = [*map(_writer, range(WRITERS)), *map(_reader, range(READERS))]
    return (call("CreateUser", UserName=name) for name in names)


def _equip_readers() -> Iterator[bytes]:
    for number in range(READERS):
        yield _put(_reader(number), number)
        for policy in range(3):
            yield _attach(_reader(number), policy)


def _attach(user_name: str, policy: int) -> bytes:
    return call("AttachUserPolicy", UserName=user_name, PolicyArn=_arn(policy))


def _put(user_name: str, document: int) -> bytes:
    return call("PutUserPolicy", UserName=user_name, PolicyName=INLINE, PolicyDocument=_document(document))


def _document(number: int) -> str:
    statement = f'{{"Sid":"S{number}","Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}}'
    return f'{{"Version":"2012-10-17","Statement":[{statement}]}}'


def _writer(number: int) -> str:
    return f"writer-{number:04}"


def _reader(number: int) -> str:
    return f"reader-{number:04}"


def _created(number: int) -> str:
    return f"created-{number:07}"


def _policy(number: int) -> str:
    return f"policy-{number:03}"


def _arn(number: int) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/{_policy(number)}"
