"""What a record can be found by: the terms of the audit index."""

from collections.abc import Iterator

from eventstore.record import Record, id_time
from iam.events import AnyEvent


def terms(record: Record[AnyEvent]) -> Iterator[str]:
    """What a record can be found by. A call that changed nothing is filed under the names it gave.

    A request id of this service carries its time, and is found by that.
    """
    yield f"actor:{record.actor.id}"
    if record.request_id and id_time(record.request_id) is None:
        yield f"request:{record.request_id}"
    if record.event is not None:
        if user_id := getattr(record.event, "user_id", None):
            yield f"user:{user_id}"
        if policy_arn := getattr(record.event, "policy_arn", None):
            yield f"policy:{policy_arn}"
    elif record.attempt is not None:
        if user_name := record.attempt.parameters.get("user_name"):
            yield f"user:{user_name.lower()}"
        if policy_arn := record.attempt.parameters.get("policy_arn"):
            yield f"policy:{policy_arn}"
