"""What happened to a user, and what policy documents say, in words: a table of events, and what they have in common.

A mark says what is told: `+` came, `-` went, `~` became another. Text from the ledger stands here as it is; a value
with spaces, commas or quotes in it is put in quotes, so that it cannot pass for more than one.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from iam import relations as r
from iam.arns import policy_path_and_name
from iam.document_diff import BeforeAfter, DocumentDiff, Element, ElementDiff, Scalar, StatementDiff, diff_documents
from iam.events import AnyEvent, Event
from iam.events.groups import (
    GroupPolicyAttached,
    GroupPolicyDeleted,
    GroupPolicyDetached,
    GroupPolicyPut,
    GroupUpdated,
    UserAddedToGroup,
    UserRemovedFromGroup,
)
from iam.events.policies import DefaultPolicyVersionSet, PolicyVersionCreated, PolicyVersionDeleted
from iam.events.users import (
    UserCreated,
    UserDeleted,
    UserPermissionsBoundaryDeleted,
    UserPermissionsBoundaryPut,
    UserPolicyAttached,
    UserPolicyDeleted,
    UserPolicyDetached,
    UserPolicyPut,
    UserTagged,
    UserUntagged,
    UserUpdated,
)
from iam.state import State, known
from tools.terminal import Style, Terminal

Mark = Literal["+", "-", "~"]

STYLES: Final[Mapping[Mark, Style]] = {"+": "green", "-": "red", "~": "yellow"}

_PLAIN = re.compile(r"[^\s,\"]+")
_EFFECTS: Final = {"Allow": "allows", "Deny": "denies"}
_WORDS: Final = {"Action": "", "NotAction": "all but", "Resource": "on", "NotResource": "on all but"}
"""How the elements of a statement are told, in this order, before what they list."""


class Detail(msgspec.Struct, frozen=True, gc=False):
    """One thing that came, went, or became another."""

    mark: Mark
    text: str


class Telling(msgspec.Struct, frozen=True):
    """What happened, in a phrase without its subject, and in detail."""

    phrase: str
    details: Sequence[Detail] = ()


class _Document(msgspec.Struct, frozen=True, rename="pascal"):
    """A policy document, loosely."""

    statement: dict[str, Element] | list[dict[str, Element]]


_read = msgspec.json.Decoder(_Document).decode


def tell(event: AnyEvent, before: State) -> Telling:
    """What the event did to a user, or to a group or policy of its, which are given as of right before it."""
    return TELLINGS.get(type(event), _named)(event, before)


# Events


def _named(event: Any, before: State) -> Telling:
    """What the event's name says: `access key created`."""
    words = re.findall("[A-Z]+(?![a-z])|[A-Z][a-z]+", str(event.__struct_config__.tag))
    return Telling(" ".join(word if word.isupper() else word.lower() for word in words))


def _created(event: UserCreated, before: State) -> Telling:
    details = [Detail("+", f"path {event.path}")] if event.path != "/" else []
    details += [Detail("+", tell_tag(tag)) for tag in event.tags]
    if event.permissions_boundary:
        details.append(_boundary("+", event.permissions_boundary))
    return Telling(f"created user {event.user_name}", details)


def _updated(event: UserUpdated, before: State) -> Telling:
    return Telling(_moved(event, event.previous_user_name, event.user_name))


def _moved(event: UserUpdated | GroupUpdated, old_name: str, name: str) -> str:
    told = []
    if name != old_name:
        told.append(f"renamed {old_name} to {name}")
    if event.path != event.previous_path:
        told.append(f"moved from {event.previous_path} to {event.path}")
    return ", ".join(told)


def _deleted(event: UserDeleted, before: State) -> Telling:
    tags = before.members(r.USER_TAGS, event.user_id)
    details = [Detail("-", tell_tag(tags[key])) for key in sorted(tags)]
    if event.permissions_boundary:
        details.append(_boundary("-", event.permissions_boundary))
    return Telling(f"deleted user {event.user_name}", details)


def _tagged(event: UserTagged, before: State) -> Telling:
    tags = before.members(r.USER_TAGS, event.user_id)
    details = [detail for tag in event.tags for detail in _retagged(tags.get(tag.key.lower()), tag)]
    return Telling(f"set {_count('tag', [tag.key for tag in event.tags])}", details)


def _retagged(old: r.Tag | None, new: r.Tag) -> Iterator[Detail]:
    if old is not None and old.key == new.key:
        yield tell_retagging(new.key, old.value, new.value)
        return
    if old is not None:
        yield Detail("-", tell_tag(old))
    yield Detail("+", tell_tag(new))


def _untagged(event: UserUntagged, before: State) -> Telling:
    tags = before.members(r.USER_TAGS, event.user_id)
    gone = [tags[key.lower()] for key in event.tag_keys]
    return Telling(f"removed {_count('tag', event.tag_keys)}", [Detail("-", tell_tag(tag)) for tag in gone])


def _boundary_put(event: UserPermissionsBoundaryPut, before: State) -> Telling:
    old, new = event.previous_permissions_boundary, event.permissions_boundary
    details = [Detail("-", old)] if old else []
    return Telling(f"set permissions boundary {policy_path_and_name(new)[1]}", [*details, Detail("+", new)])


def _boundary_deleted(event: UserPermissionsBoundaryDeleted, before: State) -> Telling:
    arn = event.permissions_boundary
    return Telling(f"removed permissions boundary {policy_path_and_name(arn)[1]}", [Detail("-", arn)])


def _attached(event: UserPolicyAttached, before: State) -> Telling:
    return Telling(f"attached {event.policy_name}", [Detail("+", event.policy_arn)])


def _detached(event: UserPolicyDetached, before: State) -> Telling:
    return Telling(f"detached {policy_path_and_name(event.policy_arn)[1]}", [Detail("-", event.policy_arn)])


def _put(event: UserPolicyPut, before: State) -> Telling:
    return _inline_put(before.get(r.USER_INLINE_POLICIES, event.user_id, event.policy_name.lower()), event)


def _inline_put(old: r.InlinePolicy | None, event: UserPolicyPut | GroupPolicyPut) -> Telling:
    if old is None:
        return Telling(f"put inline policy {event.policy_name}", tell_document("+", event.policy_document))
    diff = diff_documents(old.document, event.policy_document)
    return Telling(f"changed inline policy {event.policy_name}", tell_diff(diff, event.policy_document))


def _put_deleted(event: UserPolicyDeleted, before: State) -> Telling:
    return _inline_deleted(before.members(r.USER_INLINE_POLICIES, event.user_id)[event.policy_name.lower()])


def _inline_deleted(policy: r.InlinePolicy) -> Telling:
    return Telling(f"deleted inline policy {policy.policy_name}", tell_document("-", policy.document))


def _joined(event: UserAddedToGroup, before: State) -> Telling:
    return Telling(f"joined group {event.group_name}", _carried("+", before, event.group_id))


def _left(event: UserRemovedFromGroup, before: State) -> Telling:
    return Telling(f"left group {event.group_name}", _carried("-", before, event.group_id))


def _carried(mark: Mark, state: State, group_id: str) -> list[Detail]:
    """What comes to a user with a group."""
    inline = state.members(r.GROUP_INLINE_POLICIES, group_id)
    return [
        *(Detail(mark, arn) for arn in sorted(state.members(r.GROUP_POLICIES, group_id))),
        *(Detail(mark, f"inline policy {_value(inline[name].policy_name)}") for name in sorted(inline)),
    ]


def _group_updated(event: GroupUpdated, before: State) -> Telling:
    return Telling(f"its group was {_moved(event, event.previous_group_name, event.group_name)}")


def _group_attached(event: GroupPolicyAttached, before: State) -> Telling:
    return Telling(f"group {event.group_name} attached {event.policy_name}", [Detail("+", event.policy_arn)])


def _group_detached(event: GroupPolicyDetached, before: State) -> Telling:
    name = policy_path_and_name(event.policy_arn)[1]
    return Telling(f"group {event.group_name} detached {name}", [Detail("-", event.policy_arn)])


def _group_put(event: GroupPolicyPut, before: State) -> Telling:
    old = before.get(r.GROUP_INLINE_POLICIES, event.group_id, event.policy_name.lower())
    return _of_group(event.group_name, _inline_put(old, event))


def _group_put_deleted(event: GroupPolicyDeleted, before: State) -> Telling:
    policy = before.members(r.GROUP_INLINE_POLICIES, event.group_id)[event.policy_name.lower()]
    return _of_group(event.group_name, _inline_deleted(policy))


def _of_group(group_name: str, telling: Telling) -> Telling:
    return Telling(f"group {group_name} {telling.phrase}", telling.details)


def _version_created(event: PolicyVersionCreated, before: State) -> Telling:
    name = policy_path_and_name(event.policy_arn)[1]
    if not event.set_as_default:
        return Telling(f"policy {name} got version {event.version_id}, not in force")
    return _in_force(event, _default(before, event.policy_id), event.policy_document)


def _default_set(event: DefaultPolicyVersionSet, before: State) -> Telling:
    versions = before.members(r.POLICY_VERSIONS, event.policy_id)
    return _in_force(event, _default(before, event.policy_id), versions[event.version_id].document)


def _default(state: State, policy_id: str) -> str:
    """What the policy says."""
    return state.members(r.POLICY_VERSIONS, policy_id)[known(state, r.POLICY_DEFAULT, policy_id)].document


def _in_force(event: PolicyVersionCreated | DefaultPolicyVersionSet, old: str, new: str) -> Telling:
    name = policy_path_and_name(event.policy_arn)[1]
    return Telling(f"policy {name} now says {event.version_id}", tell_diff(diff_documents(old, new), new))


def _version_deleted(event: PolicyVersionDeleted, before: State) -> Telling:
    return Telling(f"policy {policy_path_and_name(event.policy_arn)[1]} lost version {event.version_id}")


TELLINGS: Final[Mapping[type[Event], Callable[[Any, State], Telling]]] = {
    UserCreated: _created,
    UserUpdated: _updated,
    UserDeleted: _deleted,
    UserTagged: _tagged,
    UserUntagged: _untagged,
    UserPermissionsBoundaryPut: _boundary_put,
    UserPermissionsBoundaryDeleted: _boundary_deleted,
    UserPolicyAttached: _attached,
    UserPolicyDetached: _detached,
    UserPolicyPut: _put,
    UserPolicyDeleted: _put_deleted,
    UserAddedToGroup: _joined,
    UserRemovedFromGroup: _left,
    GroupUpdated: _group_updated,
    GroupPolicyAttached: _group_attached,
    GroupPolicyDetached: _group_detached,
    GroupPolicyPut: _group_put,
    GroupPolicyDeleted: _group_put_deleted,
    PolicyVersionCreated: _version_created,
    DefaultPolicyVersionSet: _default_set,
    PolicyVersionDeleted: _version_deleted,
}
"""Every event that touches a user's permissions, and what tells it. Others are told by their names."""


# Documents


def tell_document(mark: Mark, document: str) -> list[Detail]:
    """What a policy document says, statement by statement; text that is no policy document is told as it is."""
    try:
        statements = _statements(document)
    except ValueError:
        return [Detail(mark, document)]
    return [Detail(mark, _statement(statement)) for statement in statements]


def tell_diff(diff: DocumentDiff | None, after: str) -> list[Detail]:
    """What became another in a policy document, which reads like `after` now. None says that nothing did."""
    if diff is None:
        return [Detail("~", "written differently, means the same")]
    if diff.text is not None:
        return [Detail("-", diff.text.before), Detail("+", diff.text.after)]
    statements = _statements(after)
    changed = (
        detail
        for statement in diff.changed
        for detail in _statement_diff(statement, statements[statement.statement.after - 1].get("Effect"))
    )
    return [
        *_changed("Version", diff.version),
        *_changed("Id", diff.id),
        *(Detail("-", _statement(statement)) for statement in diff.removed),
        *(Detail("+", _statement(statement)) for statement in diff.added),
        *changed,
    ]


def tell_change(what: str, change: BeforeAfter[str | None] | None) -> list[Detail]:
    """What something was and became; None is an end without it. Nothing where it did not change."""
    if change is None:
        return []
    if change.before is None or change.after is None:
        mark: Mark = "+" if change.before is None else "-"
        return [Detail(mark, f"{what} {change.after if change.before is None else change.before}")]
    return [Detail("~", f"{what} {change.before} -> {change.after}")]


def tell_tag(tag: r.Tag) -> str:
    """A tag with its value."""
    return f"tag {_value(tag.key)} = {_value(tag.value)}"


def tell_retagging(key: str, before: str, after: str) -> Detail:
    """A tag that has another value."""
    return Detail("~", f"tag {_value(key)} = {_value(before)} -> {_value(after)}")


def tell_time(at: datetime) -> str:
    """A time to the second, in UTC."""
    return f"{at:%Y-%m-%dT%H:%M:%S}Z"


def show(out: Terminal, details: Iterable[Detail], indent: int) -> None:
    """Write each in a line, with its mark and in the colour of the mark."""
    for detail in details:
        out.line((f"{detail.mark} {detail.text}", STYLES[detail.mark]), indent=indent)


def _changed(what: str, change: BeforeAfter[str | None] | None) -> list[Detail]:
    quoted = None if change is None else BeforeAfter(*(end and _value(end) for end in (change.before, change.after)))
    return tell_change(what, quoted)


def _statements(document: str) -> Sequence[Mapping[str, Element]]:
    """Raises ValueError for what is no policy document."""
    written = _read(document).statement
    return written if isinstance(written, list) else [written]


def _statement(statement: Mapping[str, Element]) -> str:
    """A statement in a line, such as `Reports: Allow s3:GetObject on *`. Nothing that it says is left out."""
    rest = dict(statement)
    sid, effect = rest.pop("Sid", ""), rest.pop("Effect", "")
    words = [f"{_listed(sid)}:"] if sid else []
    words.append(_listed(effect))
    words += [f"{word} {_listed(rest.pop(name))}".lstrip() for name, word in _WORDS.items() if name in rest]
    condition = rest.pop("Condition", {})
    if isinstance(condition, dict):
        tests = [_test(operator, key, value) for operator, keys in condition.items() for key, value in keys.items()]
        words += [f"if {' and '.join(tests)}"] if tests else []
    return " ".join([*words, *(f"{name} {_listed(element)}" for name, element in rest.items())])


def _statement_diff(diff: StatementDiff, effect: Element | None) -> Iterator[Detail]:
    """Actions and resources that come and go are told in words, as long as what they are for stays the same."""
    which = f"statement {_value(diff.sid) if diff.sid else diff.statement.after}"
    verb = _EFFECTS.get(effect.capitalize()) if isinstance(effect, str) and "Effect" not in diff.elements else None
    for name, element in diff.elements.items():
        went, came = f"{which}: {_element(name)}", f"{which}: {_element(name)}"
        if element.before is None and element.after is None:
            if name == "Action" and verb:
                went, came = f"{which} no longer {verb}", f"{which} now also {verb}"
            elif name == "Resource":
                went, came = f"{which} no longer applies to", f"{which} now also applies to"
        yield from _element_diff(element, went, came)


def _element_diff(diff: ElementDiff, went: str, came: str) -> Iterator[Detail]:
    if diff.before is not None or diff.removed:
        yield Detail("-", f"{went} {_listed(list(diff.removed) if diff.before is None else diff.before)}")
    if diff.after is not None or diff.added:
        yield Detail("+", f"{came} {_listed(list(diff.added) if diff.after is None else diff.after)}")


def _element(name: str) -> str:
    """`Condition.StringEquals.aws:username` as what comes before its values."""
    if not name.startswith("Condition."):
        return name
    _, operator, key = name.split(".", 2)
    return f"if {_value(operator)} {_value(key)} ="


def _test(operator: str, key: str, value: Scalar | list[Scalar]) -> str:
    return f"{_value(operator)} {_value(key)} = {_listed(value)}"


def _listed(element: Element) -> str:
    if isinstance(element, dict):
        return msgspec.json.encode(element).decode()
    values = element if isinstance(element, list) else [element]
    return ", ".join(map(_value, values)) or "nothing"


def _value(value: Scalar) -> str:
    """A value so that its end can be seen."""
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    return msgspec.json.encode(value).decode()


def _boundary(mark: Mark, arn: str) -> Detail:
    return Detail(mark, f"permissions boundary {arn}")


def _count(noun: str, names: Iterable[str]) -> str:
    told = [_value(name) for name in names]
    return f"{noun}{'s' if len(told) > 1 else ''} {', '.join(told)}"
