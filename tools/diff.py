"""`iam-ledger diff`: what differs about a user between two instants, folded from the ledger alone.

A name means its holder at each end. The exit status does not say whether anything differs.
"""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from api.instants import Basis
from iam.document_diff import BeforeAfter
from iam.errors import NoSuchEntity
from iam.state import Account, State
from iam.user_details import InheritedPolicy, UserDetails, governing_documents, user_details
from iam.user_diff import GoverningVersion, UserDiff, diff_users
from iam.users import find_holder
from projections.records import read_event
from tools.failure import Failure
from tools.progress import Progress
from tools.reading import Ledger
from tools.telling import (
    Detail,
    Mark,
    show,
    tell_change,
    tell_diff,
    tell_document,
    tell_retagging,
    tell_tag,
    tell_time,
)
from tools.terminal import Terminal, print_json, terminal, visible

UserId = BeforeAfter[str | None]


class End(msgspec.Struct, frozen=True):
    """Whom the name means at one end, if anybody, with what the managed policies say that it carries."""

    basis: Basis
    user: UserDetails | None
    governing: Mapping[str, GoverningVersion]


def run(options: argparse.Namespace) -> int:
    """Print the difference."""
    ledger = Ledger(options.data, options.account)
    if getattr(options, "from") is None:
        raise Failure("--from: an instant must be given, from which the difference is to be told")
    with ledger.damage_is_told():
        bases = ledger.resolve(getattr(options, "from"), "--from"), ledger.resolve(options.to, "--to")
        if bases[0].instant > bases[1].instant:
            raise Failure("--from is later than --to: give the earlier instant as --from")
        before, after = _ends(ledger, options.user, bases)
    if before.user is None and after.user is None:
        ends = f"@{before.basis.position} nor at @{after.basis.position}"
        raise Failure(f"account {visible(ledger.account)} has no user {visible(options.user)}, neither at {ends}")
    user_id: UserId = BeforeAfter(
        before.user.user_id if before.user else None, after.user.user_id if after.user else None
    )
    diff = diff_users(before.user, after.user, before.governing, after.governing)
    if options.json:
        _print_json(ledger.account, before, after, user_id, diff)
        return 0
    with terminal() as out:
        out.line((options.user, "bold"))
        for which, end in (("from", before), ("to", after)):
            _print_end(out, which, end, len(f"@{after.basis.position}"))
        out.line()
        if diff.empty:
            out.line("No difference.")
        for detail, more in _details(user_id, diff, after.governing):
            show(out, [detail], indent=0)
            show(out, more, indent=4)
    return 0


def _ends(ledger: Ledger, name: str, bases: tuple[Basis, Basis]) -> list[End]:
    """The name at these instants, the earlier one first: one fold, which stops at each."""
    state = Account(ledger.account, ledger.world)
    ends: list[End] = []
    folded = 0
    with Progress(bases[1].position) as progress:
        for basis in bases:
            for position, record in ledger.stored(folded, basis.position):
                progress(position)
                if (event := read_event(record)) is not None:
                    state.apply(event.changes())
            folded = basis.position
            ends.append(_end(state, name, basis))
    return ends


def _end(state: State, name: str, basis: Basis) -> End:
    try:
        user = user_details(state, find_holder(state, name))
    except NoSuchEntity:
        return End(basis, None, {})
    return End(basis, user, governing_documents(state, user))


def _print_json(account: str, before: End, after: End, user_id: UserId, diff: UserDiff) -> None:
    """The same that `GET /v1/users/{name}/diff` answers, and the account."""
    told: dict[str, Any] = {
        "account": account,
        "user_id": user_id,
        "from": before.basis,
        "to": after.basis,
        **msgspec.structs.asdict(diff),
    }
    print_json(msgspec.json.format(msgspec.json.encode(told), indent=2))


def _print_end(out: Terminal, which: str, end: End, width: int) -> None:
    who = f"{end.user.user_name}, {end.user.user_id}" if end.user else "no such user"
    when = tell_time(end.basis.instant) if end.basis.position else "before the first record"
    out.line((f"{which:<5}", "dim"), (f"@{end.basis.position}".ljust(width), "yellow"), (f"  {when}  ", "dim"), who)


def _details(
    user_id: UserId, diff: UserDiff, governing: Mapping[str, GoverningVersion]
) -> Iterator[tuple[Detail, list[Detail]]]:
    """What is different, each with what it consists of."""
    if diff.created or diff.deleted or diff.replaced:
        for detail in tell_change("replaced: user" if diff.replaced else "user", user_id):
            yield detail, []
    for what in ("user_name", "path", "permissions_boundary"):
        for detail in tell_change(what.removeprefix("user_").replace("_", " "), getattr(diff, what)):
            yield detail, []
    for policy in diff.detached:
        yield Detail("-", f"detached {policy.policy_name}, {policy.policy_arn}"), []
    for policy in diff.attached:
        yield Detail("+", f"attached {policy.policy_name}, {policy.policy_arn}"), []
    for managed in diff.managed_changed:
        versions = f"{managed.version.before} -> {managed.version.after}"
        more = tell_diff(managed.document_diff, governing[managed.policy_arn][1])
        yield Detail("~", f"managed policy {managed.policy_arn}, {versions}"), more
    for inline in diff.inline_removed:
        yield Detail("-", f"inline policy {inline.policy_name}"), tell_document("-", inline.policy_document)
    for inline in diff.inline_added:
        yield Detail("+", f"inline policy {inline.policy_name}"), tell_document("+", inline.policy_document)
    for changed in diff.inline_changed:
        yield Detail("~", f"inline policy {changed.policy_name}"), tell_diff(changed.document_diff, changed.after)
    for group in diff.groups_left:
        yield Detail("-", f"left group {group.group_name}, {group.group_id}"), []
    for group in diff.groups_joined:
        yield Detail("+", f"joined group {group.group_name}, {group.group_id}"), []
    for inherited in diff.inherited_removed:
        yield _inherited("-", inherited)
    for inherited in diff.inherited_added:
        yield _inherited("+", inherited)
    for other in diff.inherited_changed:
        what = f"inline policy {other.policy_name} through group {other.group_name}"
        yield Detail("~", what), tell_diff(other.document_diff, other.after)
    for tag in diff.tags_removed:
        yield Detail("-", tell_tag(tag)), []
    for tag in diff.tags_added:
        yield Detail("+", tell_tag(tag)), []
    for retagged in diff.tags_changed:
        yield tell_retagging(retagged.key, retagged.before, retagged.after), []


def _inherited(mark: Mark, policy: InheritedPolicy) -> tuple[Detail, list[Detail]]:
    through = f"through group {policy.group_name}"
    if policy.policy_document is not None:
        more = tell_document(mark, policy.policy_document)
        return Detail(mark, f"inline policy {policy.policy_name} {through}"), more
    return Detail(mark, f"{policy.policy_name}, {policy.policy_arn}, {through}"), []
