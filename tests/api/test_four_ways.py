"""One past, asked in four ways: AWS's API at the instant, the `/v1` API, the SQL views, and the bare records.

Random lives are led over HTTP. At random instants, positions and times, the four must paint one picture. The fourth
way is a model of its own: plain dicts, folded from the JSON in ledger.db, which shares no code with the program.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.api.conftest import Account

PLACEHOLDER = "111122223333"  # the account in the ARNs of `steps`
NAMES = ("alice", "bob", "carol")
AWS_OWN = ("arn:aws:iam::aws:policy/AdministratorAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess")
OWN_POLICIES = ("reader", "Writer")  # as in `steps`
DOCUMENT = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
ABSENT = "NO_SUCH_ENTITY"

Picture = dict[str, Any]


class Asked:
    """An account over one connection that is kept."""

    def __init__(self, account: Account, connection: HTTPConnection) -> None:
        self.account = account
        self._connection = connection
        self._told = {"Authorization": account.authorization, "Content-Type": "application/json"}

    def call(self, path: str, action: str, **parameters: Any) -> Any:
        """An action of AWS's: the data, or the code of the refusal."""
        return self._answer("POST", path, json.dumps({"Action": action, **parameters}))

    def get(self, path: str) -> Any:
        """A GET of the native API: the data, or the code of the refusal."""
        return self._answer("GET", path, None)

    def _answer(self, method: str, path: str, body: str | None) -> Any:
        self._connection.request(method, path, body, self._told)
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        assert response.status < 500, answer
        return answer["data"] if answer["success"] else answer["error"]["code"]


def lead(asked: Asked, life: list[tuple[Any, Any]]) -> None:
    """Lead a life: each command as the call that a client would make. Some are refused."""
    for _, command in life:
        parameters = {name: getattr(command, name) for name in command.__struct_fields__}
        if "tags" in parameters:
            parameters["tags"] = [{"Key": tag.key, "Value": tag.value} for tag in parameters["tags"]]
        sent = {
            name.title().replace("_", ""): value.replace(PLACEHOLDER, asked.account.id)
            if isinstance(value, str)
            else value
            for name, value in parameters.items()
            if value not in (None, "", [])
        }
        asked.call("/", type(command).__name__, **sent)


def picture_of_aws_api(asked: Asked, instant: str) -> Picture:
    """What AWS's API says at an instant."""
    at = f"/at/{instant}"
    users: Picture = {}
    for listed in asked.call(at, "ListUsers")["Users"]:
        name = listed["UserName"]
        user = asked.call(f"{at}/", "GetUser", UserName=name)["User"]
        assert {key: user[key] for key in listed} == listed
        attached = asked.call(at, "ListAttachedUserPolicies", UserName=name)["AttachedPolicies"]
        inline = asked.call(at, "ListUserPolicies", UserName=name)["PolicyNames"]
        documents = {each: asked.call(at, "GetUserPolicy", UserName=name, PolicyName=each) for each in inline}
        tags = asked.call(at, "ListUserTags", UserName=name)["Tags"]
        assert tags == user.get("Tags", [])
        users[user["UserId"]] = {
            "name": name,
            "path": user["Path"],
            "created_at": user["CreateDate"],
            "boundary": user.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"),
            "tags": {tag["Key"]: tag["Value"] for tag in tags},
            "attached": {policy["PolicyArn"]: policy["PolicyName"] for policy in attached},
            "inline": {each: answer["PolicyDocument"] for each, answer in documents.items()},
        }
    policies: Picture = {}
    for listed in asked.call(at, "ListPolicies", Scope="Local")["Policies"]:
        arn = listed["Arn"]
        versions = asked.call(at, "ListPolicyVersions", PolicyArn=arn)["Versions"]
        [default] = [version["VersionId"] for version in versions if version["IsDefaultVersion"]]
        assert default == listed["DefaultVersionId"]
        documents = {
            version["VersionId"]: asked.call(at, "GetPolicyVersion", PolicyArn=arn, VersionId=version["VersionId"])
            for version in versions
        }
        policies[listed["PolicyId"]] = {
            "arn": arn,
            "name": listed["PolicyName"],
            "default": default,
            "versions": {version: answer["PolicyVersion"]["Document"] for version, answer in documents.items()},
        }
    groups: Picture = {}
    for listed in asked.call(at, "ListGroups")["Groups"]:
        name = listed["GroupName"]
        attached = asked.call(at, "ListAttachedGroupPolicies", GroupName=name)["AttachedPolicies"]
        inline = asked.call(at, "ListGroupPolicies", GroupName=name)["PolicyNames"]
        documents = {each: asked.call(at, "GetGroupPolicy", GroupName=name, PolicyName=each) for each in inline}
        members = asked.call(at, "GetGroup", GroupName=name)["Users"]
        groups[listed["GroupId"]] = {
            "name": name,
            "path": listed["Path"],
            "members": {user["UserId"] for user in members},
            "attached": {policy["PolicyArn"]: policy["PolicyName"] for policy in attached},
            "inline": {each: answer["PolicyDocument"] for each, answer in documents.items()},
        }
    for user_id, user in users.items():
        joined = asked.call(at, "ListGroupsForUser", UserName=user["name"])["Groups"]
        assert {each["GroupId"] for each in joined} == {each for each in groups if user_id in groups[each]["members"]}
    holders: Picture = {}
    for arn in (*AWS_OWN, *(policy["arn"] for policy in policies.values())):
        for usage in ("PermissionsPolicy", "PermissionsBoundary"):
            answer = asked.call(at, "ListEntitiesForPolicy", PolicyArn=arn, PolicyUsageFilter=usage)
            holders[f"{usage} {arn}"] = {user["UserId"]: user["UserName"] for user in answer["PolicyUsers"]}
    taken = {user["name"].lower() for user in users.values()}
    for name in NAMES:
        if name not in taken:
            assert asked.call(at, "GetUser", UserName=name) == ABSENT
    return {"users": users, "groups": groups, "policies": policies, "holders": holders}


def sets_of_native_api(asked: Asked, instant: str) -> Picture:
    """The policy sets of each user, with the record that began each entry, as `/v1` tells them."""
    users: Picture = {}
    for name in NAMES:
        answer = asked.get(f"/v1/users/{name}/policies?at={quote(instant)}")
        if answer == ABSENT:
            continue
        users[answer["user_id"]] = {
            "name": answer["user_name"],
            "attached": {each["policy_arn"]: each["position"] for each in answer["attached"]},
            "inline": {each["policy_name"]: (each["policy_document"], each["position"]) for each in answer["inline"]},
            "inherited": {
                (each["group"]["group_id"], each.get("policy_arn") or each["policy_name"]): (
                    each["position"],
                    each["group"]["position"],
                )
                for each in answer["inherited"]
            },
        }
    return users


EFFECTIVE = "effective_user_policies_history"
HOLDS_AT_POSITION = "account = ? AND valid_from <= ? AND (valid_to > ? OR valid_to IS NULL)"
HOLDS_AT_TIME = "account = ? AND since <= ? AND (until > ? OR until IS NULL)"


def picture_of_views(connection: sqlite3.Connection, account: str, at: int | str) -> tuple[Picture, Picture]:
    """What the SQL views say at a position or a time: the picture, and the policy sets with where they began."""
    holds = HOLDS_AT_POSITION if isinstance(at, int) else HOLDS_AT_TIME

    def rows(columns: str, view: str) -> list[Any]:
        return connection.execute(f"SELECT {columns} FROM {view} WHERE {holds}", (account, at, at)).fetchall()

    users: Picture = {}
    sets: Picture = {}
    for user_id, name, path, created_at in rows("user_id, user_name, path, created_at", "users_history"):
        users[user_id] = {"name": name, "path": path, "created_at": created_at, "boundary": None}
        users[user_id] |= {"tags": {}, "attached": {}, "inline": {}}
        sets[user_id] = {"name": name, "attached": {}, "inline": {}, "inherited": {}}
    for user_id, arn in rows("user_id, policy_arn", "user_boundaries_history"):
        users[user_id]["boundary"] = arn
    for user_id, key, value in rows("user_id, key, value", "user_tags_history"):
        users[user_id]["tags"][key] = value
    columns = "user_id, kind, policy_name, policy_arn, document, valid_from"
    for user_id, kind, name, arn, document, valid_from in rows(columns, "user_policies_history"):
        if kind == "attached":
            assert document is None
            users[user_id]["attached"][arn] = name
            sets[user_id]["attached"][arn] = valid_from
        else:
            assert (kind, arn) == ("inline", None)
            users[user_id]["inline"][name] = document
            sets[user_id]["inline"][name] = (document, valid_from)
    groups: Picture = {}
    began: dict[tuple[str, str], int] = {}
    for group_id, name, path in rows("group_id, group_name, path", "groups_history"):
        groups[group_id] = {"name": name, "path": path, "members": set(), "attached": {}, "inline": {}}
    columns = "group_id, kind, policy_name, policy_arn, document, valid_from"
    for group_id, kind, name, arn, document, valid_from in rows(columns, "group_policies_history"):
        groups[group_id][kind][arn or name] = name if kind == "attached" else document
        began[group_id, arn or name] = valid_from
    for user_id, group_id, valid_from in rows("user_id, group_id, valid_from", "user_groups_history"):
        groups[group_id]["members"].add(user_id)
        for policy in (*groups[group_id]["attached"], *groups[group_id]["inline"]):
            sets[user_id]["inherited"][group_id, policy] = (began[group_id, policy], valid_from)
    effective = rows("user_id, group_id, coalesce(policy_arn, policy_name), valid_from", EFFECTIVE)
    assert {(user_id, group_id, policy): at for user_id, group_id, policy, at in effective if group_id} == {
        (user_id, *path): max(positions)
        for user_id, each in sets.items()
        for path, positions in each["inherited"].items()
    }
    policies: Picture = {}
    for policy_id, arn, name in rows("policy_id, policy_arn, policy_name", "policies_history"):
        policies[policy_id] = {"arn": arn, "name": name, "versions": {}}
    for policy_id, version, document in rows("policy_id, version_id, document", "policy_versions_history"):
        policies[policy_id]["versions"][version] = document
    for policy_id, version in rows("policy_id, version_id", "policy_defaults_history"):
        policies[policy_id]["default"] = version
    return {"users": users, "groups": groups, "policies": policies, "holders": holders_of(users, policies)}, sets


def holders_of(users: Picture, policies: Picture) -> Picture:
    """Who carries which policy, the other way round."""
    holders: Picture = {}
    for arn in (*AWS_OWN, *(policy["arn"] for policy in policies.values())):
        holders[f"PermissionsPolicy {arn}"] = {
            user_id: user["name"] for user_id, user in users.items() if arn in user["attached"]
        }
        holders[f"PermissionsBoundary {arn}"] = {
            user_id: user["name"] for user_id, user in users.items() if arn == user["boundary"]
        }
    return holders


def picture_of_records(records: list[dict[str, Any]]) -> tuple[Picture, Picture]:
    """The records added up, one event after the other: the picture, and the policy sets with where they began."""
    users: Picture = {}
    groups: Picture = {}
    policies: Picture = {}
    began: dict[tuple[str, str], int] = {}
    for record in records:
        event = record.get("event")
        if event is None:
            continue
        kind = event["type"]
        user = users.get(event.get("user_id"), {})
        policy = policies.get(event.get("policy_id"), {})
        group = groups.get(event.get("group_id"), {})
        if kind == "UserCreated":
            users[event["user_id"]] = {
                "name": event["user_name"],
                "path": event["path"],
                "created_at": event["created_at"],
                "boundary": event.get("permissions_boundary"),
                "tags": {tag["key"]: tag["value"] for tag in event.get("tags", [])},
                "attached": {},
                "inline": {},
            }
        elif kind == "UserUpdated":
            user |= {"name": event["user_name"], "path": event["path"]}
        elif kind == "UserDeleted":
            del users[event["user_id"]]
        elif kind == "UserTagged":
            for tag in event["tags"]:
                for key in [key for key in user["tags"] if key.lower() == tag["key"].lower()]:
                    del user["tags"][key]
                user["tags"][tag["key"]] = tag["value"]
        elif kind == "UserUntagged":
            gone = {key.lower() for key in event["tag_keys"]}
            user["tags"] = {key: value for key, value in user["tags"].items() if key.lower() not in gone}
        elif kind == "UserPermissionsBoundaryPut":
            user["boundary"] = event["permissions_boundary"]
        elif kind == "UserPermissionsBoundaryDeleted":
            user["boundary"] = None
        elif kind == "UserPolicyAttached":
            user["attached"][event["policy_arn"]] = event["policy_name"]
            began[event["user_id"], event["policy_arn"]] = record["position"]
        elif kind == "UserPolicyDetached":
            del user["attached"][event["policy_arn"]]
        elif kind == "UserPolicyPut":
            user["inline"][event["policy_name"]] = event["policy_document"]
            began[event["user_id"], event["policy_name"]] = record["position"]
        elif kind == "UserPolicyDeleted":
            del user["inline"][event["policy_name"]]
        elif kind == "GroupCreated":
            groups[event["group_id"]] = {"name": event["group_name"], "path": event["path"], "members": set()}
            groups[event["group_id"]] |= {"attached": {}, "inline": {}}
        elif kind == "GroupUpdated":
            group |= {"name": event["group_name"], "path": event["path"]}
        elif kind == "GroupDeleted":
            del groups[event["group_id"]]
        elif kind == "UserAddedToGroup":
            group["members"].add(event["user_id"])
            began[event["user_id"], event["group_id"]] = record["position"]
        elif kind == "UserRemovedFromGroup":
            group["members"].remove(event["user_id"])
        elif kind == "GroupPolicyAttached":
            group["attached"][event["policy_arn"]] = event["policy_name"]
            began[event["group_id"], event["policy_arn"]] = record["position"]
        elif kind == "GroupPolicyDetached":
            del group["attached"][event["policy_arn"]]
        elif kind == "GroupPolicyPut":
            group["inline"][event["policy_name"]] = event["policy_document"]
            began[event["group_id"], event["policy_name"]] = record["position"]
        elif kind == "GroupPolicyDeleted":
            del group["inline"][event["policy_name"]]
        elif kind == "PolicyCreated":
            policies[event["policy_id"]] = {
                "arn": event["policy_arn"],
                "name": event["policy_name"],
                "default": "v1",
                "versions": {"v1": event["policy_document"]},
            }
        elif kind == "PolicyVersionCreated":
            policy["versions"][event["version_id"]] = event["policy_document"]
            if event.get("set_as_default"):
                policy["default"] = event["version_id"]
        elif kind == "DefaultPolicyVersionSet":
            policy["default"] = event["version_id"]
        elif kind == "PolicyVersionDeleted":
            del policy["versions"][event["version_id"]]
        elif kind == "PolicyDeleted":
            del policies[event["policy_id"]]
        else:
            raise AssertionError(f"the model does not know {kind}")
    sets = {
        user_id: {
            "name": user["name"],
            "attached": {arn: began[user_id, arn] for arn in user["attached"]},
            "inline": {name: (document, began[user_id, name]) for name, document in user["inline"].items()},
            "inherited": {
                (group_id, policy): (began[group_id, policy], began[user_id, group_id])
                for group_id, group in groups.items()
                if user_id in group["members"]
                for policy in (*group["attached"], *group["inline"])
            },
        }
        for user_id, user in users.items()
    }
    return {"users": users, "groups": groups, "policies": policies, "holders": holders_of(users, policies)}, sets


def records_of(account: Account) -> list[dict[str, Any]]:
    """All records of the account, as they lie in ledger.db."""
    with closing(sqlite3.connect(f"file:{account.server.folder}/ledger.db?mode=ro", uri=True)) as ledger:
        stored = ledger.execute("SELECT record FROM records WHERE account = ? ORDER BY position", (account.id,))
        return [json.loads(record) for (record,) in stored]


def written(at: datetime) -> str:
    """A time as the records and the views write it."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"


def instants(records: list[dict[str, Any]], places: list[tuple[int, str]]) -> Mapping[str, tuple[int, str | None]]:
    """Instants on this ledger: as they are asked for, with the position, and the time if they are one."""
    found: dict[str, tuple[int, str | None]] = {"@0": (0, None)}
    moments = [datetime.fromisoformat(record["recorded_at"]) for record in records]
    for place, kind in places:
        position = len(records) - place % len(records)
        at = moments[position - 1]
        if kind == "position":
            found[f"@{position}"] = (position, None)
        elif kind == "its time":
            found[written(at)] = (position, written(at))
        elif kind == "just before":
            before = written(at - timedelta(microseconds=1))
            found[before] = (position - 1, before)
        elif position < len(moments):
            between = written(at + (moments[position] - at) / 2)
            found[between] = (position, between)
    return found


def test_four_ways_to_ask_about_the_past_agree(
    steps: st.SearchStrategy[Any], new_account: Callable[..., Account]
) -> None:
    """Whatever an account has lived through, and whichever of its instants is asked about."""
    kinds = st.sampled_from(("position", "its time", "just before", "between"))
    places = st.lists(st.tuples(st.integers(0, 99), kinds), min_size=3, max_size=6)

    @settings(max_examples=40)
    @given(st.lists(steps, min_size=8, max_size=10), places)
    def agree(lives: list[list[Any]], places: list[tuple[int, str]]) -> None:
        account = new_account()
        with (
            closing(HTTPConnection("127.0.0.1", account.server.port, timeout=20)) as connection,
            closing(sqlite3.connect(f"file:{account.server.folder}/projections.db?mode=ro", uri=True)) as views,
        ):
            asked = Asked(account, connection)
            for name in OWN_POLICIES:
                asked.call("/", "CreatePolicy", PolicyName=name, PolicyDocument=DOCUMENT)
            for life in lives:
                lead(asked, life)
            records = records_of(account)
            for instant, (position, time) in instants(records, places).items():
                answer = asked.call(f"/at/{instant}/", "ListUsers")
                assert answer["basis"]["position"] == position, instant
                picture, sets = picture_of_records(records[:position])

                assert picture_of_aws_api(asked, instant) == picture
                assert sets_of_native_api(asked, instant) == sets
                assert picture_of_views(views, account.id, position) == (picture, sets)
                if time is not None:
                    assert picture_of_views(views, account.id, time) == (picture, sets)

    agree()
