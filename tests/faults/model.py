"""One account in plain dicts: what AWS's rules make of each call. It shares no code with the program."""

import re
from copy import deepcopy
from typing import Any, Self

CHANGED, UNCHANGED = "changed", "unchanged"
RESERVED = "arn:aws:iam::aws:policy/aws-service-role/"
VERSIONS_MAX = 5
POLICIES_PER_USER_MAX = 10
INLINE_CHARACTERS_MAX = 2048
PARTS = ("attached", "inline", "tags", "permissions_boundary")

Asked = dict[str, Any]
Step = tuple[str, Asked]


class Model:
    """The users by id and the policies by ARN. Names of actions are AWS's, parameters AWS's in snake_case.

    What a call puts there bears the position of its record; set `position` first. AWS's own policies are those of
    which the model was told.
    """

    def __init__(self, account: str, of_aws: tuple[str, ...]) -> None:
        self.position = 0
        self.users: dict[str, dict[str, Any]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        self._account = account
        self._of_aws = of_aws

    def copy(self) -> Self:
        """The same, to go on from here in another way."""
        return deepcopy(self)

    def user(self, name: str) -> dict[str, Any] | None:
        """The user of this name, in whatever case."""
        return next((user for user in self.users.values() if user["name"].lower() == name.lower()), None)

    def do(self, action: str, asked: Asked, made: str = "") -> str:
        """Do what the call asks. `made` is the id of a user or policy, if it makes one.

        Returns CHANGED, UNCHANGED, or the code of the refusal, and then nothing is different.
        """
        making = {"made": made} if action in ("CreateUser", "CreatePolicy") else {}
        outcome: str = getattr(self, f"_{_snake(action)}")(**asked, **making)
        return outcome

    # users

    def _create_user(
        self,
        user_name: str,
        path: str = "/",
        tags: tuple[dict[str, str], ...] = (),
        permissions_boundary: str | None = None,
        made: str = "",
    ) -> str:
        if self.user(user_name):
            return "EntityAlreadyExists"
        if permissions_boundary and (refusal := self._kept_from_users(permissions_boundary)):
            return refusal
        self.users[made] = {
            "id": made,
            "name": user_name,
            "path": path,
            "boundary": permissions_boundary,
            "tags": {tag["key"].lower(): (tag["key"], tag["value"]) for tag in tags},
            "attached": {},  # ARN: position
            "inline": {},  # name in lower case: name, document, position
        }
        return CHANGED

    def _update_user(self, user_name: str, new_user_name: str | None = None, new_path: str | None = None) -> str:
        user = self.user(user_name)
        if user is None:
            return "NoSuchEntity"
        name, path = new_user_name or user["name"], new_path or user["path"]
        if name != user["name"] and self.user(name):
            return "EntityAlreadyExists"  # another spelling of its own name is taken too
        if (name, path) == (user["name"], user["path"]):
            return UNCHANGED
        user |= {"name": name, "path": path}
        return CHANGED

    def _delete_user(self, user_name: str) -> str:
        user = self.user(user_name)
        if user is None:
            return "NoSuchEntity"
        if user["attached"] or user["inline"]:
            return "DeleteConflict"
        del self.users[user["id"]]
        return CHANGED

    def _tag_user(self, user_name: str, tags: tuple[dict[str, str], ...]) -> str:
        user = self.user(user_name)
        return "NoSuchEntity" if user is None else _tag(user["tags"], tags, str.lower)

    def _untag_user(self, user_name: str, tag_keys: tuple[str, ...]) -> str:
        user = self.user(user_name)
        return "NoSuchEntity" if user is None else _untag(user["tags"], tag_keys, str.lower)

    def _put_user_permissions_boundary(self, user_name: str, permissions_boundary: str) -> str:
        user = self.user(user_name)
        if user is None:
            return "NoSuchEntity"
        if refusal := self._kept_from_users(permissions_boundary):
            return refusal
        if user["boundary"] == permissions_boundary:
            return UNCHANGED
        user["boundary"] = permissions_boundary
        return CHANGED

    def _delete_user_permissions_boundary(self, user_name: str) -> str:
        user = self.user(user_name)
        if user is None or user["boundary"] is None:
            return "NoSuchEntity"
        user["boundary"] = None
        return CHANGED

    def _kept_from_users(self, arn: str) -> str | None:
        if not self._exists(arn):
            return "NoSuchEntity"
        return "PolicyNotAttachable" if arn.startswith(RESERVED) else None

    # policies of users

    def _attach_user_policy(self, user_name: str, policy_arn: str) -> str:
        user = self.user(user_name)
        if user is None:
            return "NoSuchEntity"
        if refusal := self._kept_from_users(policy_arn):
            return refusal
        if policy_arn in user["attached"]:
            return UNCHANGED
        if len(user["attached"]) >= POLICIES_PER_USER_MAX:
            return "LimitExceeded"
        user["attached"][policy_arn] = self.position
        return CHANGED

    def _detach_user_policy(self, user_name: str, policy_arn: str) -> str:
        user = self.user(user_name)
        if user is None or policy_arn not in user["attached"]:
            return "NoSuchEntity"
        del user["attached"][policy_arn]
        return CHANGED

    def _put_user_policy(self, user_name: str, policy_name: str, policy_document: str) -> str:
        user = self.user(user_name)
        if user is None:
            return "NoSuchEntity"
        others = {name: policy for name, policy in user["inline"].items() if name != policy_name.lower()}
        spelling, before, _ = user["inline"].get(policy_name.lower(), (policy_name, None, 0))
        if before == policy_document:
            return UNCHANGED
        if _size(policy_document) + sum(_size(document) for _, document, _ in others.values()) > INLINE_CHARACTERS_MAX:
            return "LimitExceeded"
        user["inline"][policy_name.lower()] = (spelling, policy_document, self.position)
        return CHANGED

    def _delete_user_policy(self, user_name: str, policy_name: str) -> str:
        user = self.user(user_name)
        if user is None or policy_name.lower() not in user["inline"]:
            return "NoSuchEntity"
        del user["inline"][policy_name.lower()]
        return CHANGED

    # managed policies

    def _create_policy(self, policy_name: str, policy_document: str, path: str = "/", made: str = "") -> str:
        if any(policy["name"].lower() == policy_name.lower() for policy in self.policies.values()):
            return "EntityAlreadyExists"
        self.policies[f"arn:aws:iam::{self._account}:policy{path}{policy_name}"] = {
            "id": made,
            "name": policy_name,
            "path": path,
            "default": "v1",
            "latest": 1,
            "versions": {"v1": policy_document},
            "tags": {},
        }
        return CHANGED

    def _delete_policy(self, policy_arn: str) -> str:
        if (refusal := self._not_own(policy_arn)) is not None:
            return refusal
        policy = self.policies.get(policy_arn)
        if policy is None:
            return "NoSuchEntity"
        carried = any(policy_arn in user["attached"] or policy_arn == user["boundary"] for user in self.users.values())
        if carried or len(policy["versions"]) > 1:
            return "DeleteConflict"
        del self.policies[policy_arn]
        return CHANGED

    def _create_policy_version(self, policy_arn: str, policy_document: str, set_as_default: bool = False) -> str:
        if (refusal := self._not_own(policy_arn)) is not None:
            return refusal
        policy = self.policies.get(policy_arn)
        if policy is None:
            return "NoSuchEntity"
        if len(policy["versions"]) >= VERSIONS_MAX:
            return "LimitExceeded"
        policy["latest"] += 1
        version = f"v{policy['latest']}"
        policy["versions"][version] = policy_document
        if set_as_default:
            policy["default"] = version
        return CHANGED

    def _set_default_policy_version(self, policy_arn: str, version_id: str) -> str:
        if (refusal := self._no_version(policy_arn, version_id)) is not None:
            return refusal
        policy = self.policies[policy_arn]
        if policy["default"] == version_id:
            return UNCHANGED
        policy["default"] = version_id
        return CHANGED

    def _delete_policy_version(self, policy_arn: str, version_id: str) -> str:
        if (refusal := self._no_version(policy_arn, version_id)) is not None:
            return refusal
        policy = self.policies[policy_arn]
        if policy["default"] == version_id:
            return "DeleteConflict"
        del policy["versions"][version_id]
        return CHANGED

    def _tag_policy(self, policy_arn: str, tags: tuple[dict[str, str], ...]) -> str:
        refusal = self._not_own(policy_arn, "InvalidInput") or self._no_policy(policy_arn)
        return refusal or _tag(self.policies[policy_arn]["tags"], tags, str)

    def _untag_policy(self, policy_arn: str, tag_keys: tuple[str, ...]) -> str:
        refusal = self._not_own(policy_arn, "InvalidInput") or self._no_policy(policy_arn)
        return refusal or _untag(self.policies[policy_arn]["tags"], tag_keys, str)

    def _exists(self, arn: str) -> bool:
        return arn in self.policies or arn in self._of_aws

    def _not_own(self, arn: str, refusal: str = "AccessDenied") -> str | None:
        return None if arn.split(":")[4] == self._account else refusal

    def _no_policy(self, arn: str) -> str | None:
        return None if arn in self.policies else "NoSuchEntity"

    def _no_version(self, arn: str, version: str) -> str | None:
        if (refusal := self._not_own(arn) or self._no_policy(arn)) is not None:
            return refusal
        return None if version in self.policies[arn]["versions"] else "NoSuchEntity"

    # restoring

    def restoring(self, past: Self, name: str, parts: tuple[str, ...]) -> str | list[Step]:
        """What restoring the user to the past would do, step by step, or the code of its refusal."""
        now = self.users.get(name) or self.user(name)
        then = past.users.get(now["id"]) if now else None
        if now is None or then is None:
            return "NoSuchEntity"
        trying = self.copy()
        steps: list[Step] = []
        conflict = False
        for needed, action, asked in _steps(now, then, parts):
            if needed is not None and self._is_another(past, needed):
                conflict = True
            elif action:
                outcome = trying.do(action, {"user_name": now["name"], **asked})
                conflict |= outcome not in (CHANGED, UNCHANGED)
                if outcome == CHANGED:
                    steps.append((action, {"user_name": now["name"], **asked}))
        return "RestoreConflict" if conflict else steps

    def _is_another(self, past: Self, arn: str) -> bool:
        now, then = self.policies.get(arn), past.policies.get(arn)
        return now is not None and then is not None and now["id"] != then["id"]


def _steps(now: dict[str, Any], then: dict[str, Any], parts: tuple[str, ...]) -> list[tuple[str | None, str, Asked]]:
    """The calls that lead from the one to the other, in order. With each the policy that must still be the same."""
    steps: list[tuple[str | None, str, Asked]] = []
    if "attached" in parts:
        gone = [arn for arn in now["attached"] if arn not in then["attached"]]
        steps += [(None, "DetachUserPolicy", {"policy_arn": arn}) for arn in sorted(gone, key=_by_policy_name)]
    if "inline" in parts:
        for member, (name, _, _) in sorted(now["inline"].items()):
            if member not in then["inline"]:
                steps.append((None, "DeleteUserPolicy", {"policy_name": name}))
        steps += _putting(now["inline"], then["inline"])
    if "attached" in parts:
        for arn in sorted(then["attached"], key=_by_policy_name):
            attaching = "" if arn in now["attached"] else "AttachUserPolicy"
            steps.append((arn, attaching, {"policy_arn": arn}))
    if "tags" in parts:
        gone = [key for member, (key, _) in now["tags"].items() if member not in then["tags"]]
        new = [tag for tag in then["tags"].values() if tag not in now["tags"].values()]
        steps += [(None, "UntagUser", {"tag_keys": tuple(gone)})] if gone else []
        tags = tuple({"key": key, "value": value} for key, value in new)
        steps += [(None, "TagUser", {"tags": tags})] if tags else []
    if "permissions_boundary" in parts:
        if (boundary := then["boundary"]) is not None:
            steps.append((boundary, "PutUserPermissionsBoundary", {"permissions_boundary": boundary}))
        elif now["boundary"] is not None:
            steps.append((None, "DeleteUserPermissionsBoundary", {}))
    return steps


def _putting(now: dict[str, Any], then: dict[str, Any]) -> list[tuple[str | None, str, Asked]]:
    """Inline policies that differ, those that shrink first. One that is spelled anew is deleted and put."""

    def growth(member: str) -> int:
        return _size(then[member][1]) - (_size(now[member][1]) if member in now else 0)

    steps: list[tuple[str | None, str, Asked]] = []
    for member in sorted(sorted(then), key=growth):
        name, document, _ = then[member]
        before = now.get(member)
        if before is not None and before[:2] == (name, document):
            continue
        if before is not None and before[0] != name:
            steps.append((None, "DeleteUserPolicy", {"policy_name": before[0]}))
        steps.append((None, "PutUserPolicy", {"policy_name": name, "policy_document": document}))
    return steps


def _tag(present: dict[str, Any], tags: tuple[dict[str, str], ...], member: Any) -> str:
    new = {member(tag["key"]): (tag["key"], tag["value"]) for tag in tags}
    if all(present.get(key) == tag for key, tag in new.items()):
        return UNCHANGED
    present.update(new)
    return CHANGED


def _untag(present: dict[str, Any], keys: tuple[str, ...], member: Any) -> str:
    gone = {member(key) for key in keys} & present.keys()
    for key in gone:
        del present[key]
    return CHANGED if gone else UNCHANGED


def _by_policy_name(arn: str) -> tuple[str, str]:
    return arn.rpartition("/")[2].lower(), arn


def _size(document: str) -> int:
    return len(re.sub(r"\s", "", document))


def _snake(action: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower()
