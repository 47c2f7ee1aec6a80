"""The auditor of a ledger: does each row follow from the one before, and do its copies match its record?"""

import msgspec

from eventstore.record import (
    Head,
    Row,
    head_of,
    id_time,
    leaf_hash,
    microseconds,
    open_envelope,
)


class BrokenChain(Exception):
    """The first row of a ledger that is wrong, and what is wrong with it."""

    def __init__(self, account: str, position: int, problem: str) -> None:
        self.account, self.position, self.problem = account, position, problem
        super().__init__(f"ledger {account}, record {position}: {problem}")


def follow(head: Head, row: Row) -> Head:
    """The head after this row. Raises BrokenChain unless the row is whole and continues `head`."""

    def must(holds: bool, problem: str) -> None:
        if not holds:
            raise BrokenChain(row.account, row.position, problem)

    must(row.position == head.position + 1, f"position {head.position + 1} is missing")
    must(leaf_hash(row.record) == row.hash, "the stored bytes do not have the stored hash")
    try:
        record = open_envelope(row)
    except msgspec.DecodeError as error:
        raise BrokenChain(row.account, row.position, f"not a record: {error}") from error
    must(record.previous == head.hash, "it does not continue the record before it")
    must(row.recorded_at > head.recorded_at, "its time is not after the record before it")
    must(record.account == row.account, "the account column differs from the record")
    must(record.position == row.position, "the position column differs from the record")
    must(microseconds(record.recorded_at) == row.recorded_at, "the time column differs from the record")
    must(id_time(record.id) == row.recorded_at, "its id does not carry its time")
    must(record.command_id == row.command_id, "the command column differs from the record")
    must(record.command_index == row.command_index, "the command index column differs from the record")
    must((record.event is None) != (record.outcome == "changed"), "its outcome and its event disagree")
    return head_of(row)
