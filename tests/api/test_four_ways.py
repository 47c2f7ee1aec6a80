"""One past, asked in four ways: AWS's API at the instant, the `/v1` API, the SQL views, and the bare records.

Random lives are led over HTTP. At random instants, positions and times, the four must paint one picture. The fourth
way is a model of its own: plain dicts, folded from the JSON in ledger.db, which shares no code with the program.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
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
NOUNS = ("User", "Group", "Role")
BOUNDARY = "boundary"
HOUR = 3600  # seconds
PASSWORDS_MAX = 2  # per account: the service takes a tenth of a second for each

Picture = dict[str, Any]


class Asked:
    """An account over one connection that is kept."""

    def __init__(self, account: Account, connection: HTTPConnection) -> None:
        self.account = account
        self.access_key_ids: list[str] = []  # all that were ever made
        self.passwords = 0  # how many were asked to be set
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
    """Lead a life: each command as the call that a client would make. Some are refused.

    `steps` cannot know the ids of access keys: theirs are numbers, and stand for those that were made.
    """
    for _, command in life:
        parameters = {name: getattr(command, name) for name in command.__struct_fields__}
        if "tags" in parameters:
            parameters["tags"] = [{"Key": tag.key, "Value": tag.value} for tag in parameters["tags"]]
        if "access_key_id" in parameters and asked.access_key_ids:
            number = int(parameters["access_key_id"].removeprefix("AKIA"))
            parameters["access_key_id"] = asked.access_key_ids[number % len(asked.access_key_ids)]
        if parameters.get("password"):
            asked.passwords += 1
            if asked.passwords > PASSWORDS_MAX:
                continue
        sent = {
            name.title().replace("_", ""): value.replace(PLACEHOLDER, asked.account.id)
            if isinstance(value, str)
            else value
            for name, value in parameters.items()
            if value not in (None, "", [])
        }
        answer = asked.call("/", type(command).__name__, **sent)
        if "AccessKey" in answer:
            asked.access_key_ids.append(answer["AccessKey"]["AccessKeyId"])


def identity_of_aws_api(asked: Asked, at: str, noun: str, told: Any) -> Picture:
    """What users, groups and roles have alike, as AWS's API says."""
    name = told[f"{noun}Name"]
    who = {f"{noun}Name": name}
    attached = asked.call(at, f"ListAttached{noun}Policies", **who)["AttachedPolicies"]
    inline = asked.call(at, f"List{noun}Policies", **who)["PolicyNames"]
    documents = {each: asked.call(at, f"Get{noun}Policy", **who, PolicyName=each) for each in inline}
    found = {
        "name": name,
        "path": told["Path"],
        "created_at": told["CreateDate"],
        "attached": {policy["PolicyArn"]: policy["PolicyName"] for policy in attached},
        "inline": {each: answer["PolicyDocument"] for each, answer in documents.items()},
    }
    if noun == "Group":
        return found
    tags = asked.call(at, f"List{noun}Tags", **who)["Tags"]
    assert tags == told.get("Tags", [])
    boundary = told.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return {**found, "tags": {tag["Key"]: tag["Value"] for tag in tags}, "boundary": boundary}


def picture_of_aws_api(asked: Asked, instant: str) -> Picture:
    """What AWS's API says at an instant."""
    at = f"/at/{instant}"
    users: Picture = {}
    for listed in asked.call(at, "ListUsers")["Users"]:
        name = listed["UserName"]
        user = asked.call(f"{at}/", "GetUser", UserName=name)["User"]
        assert {key: user[key] for key in listed} == listed
        keys = asked.call(at, "ListAccessKeys", UserName=name)["AccessKeyMetadata"]
        login = asked.call(at, "GetLoginProfile", UserName=name)
        users[user["UserId"]] = {
            **identity_of_aws_api(asked, at, "User", user),
            "keys": {key["AccessKeyId"]: (key["Status"], key["CreateDate"]) for key in keys},
            "login": None if login == ABSENT else login["LoginProfile"]["PasswordResetRequired"],
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
        members = asked.call(at, "GetGroup", GroupName=listed["GroupName"])["Users"]
        groups[listed["GroupId"]] = {
            **identity_of_aws_api(asked, at, "Group", listed),
            "members": {user["UserId"] for user in members},
        }
    for user_id, user in users.items():
        joined = asked.call(at, "ListGroupsForUser", UserName=user["name"])["Groups"]
        assert {each["GroupId"] for each in joined} == {each for each in groups if user_id in groups[each]["members"]}
    profiles: Picture = {}
    for listed in asked.call(at, "ListInstanceProfiles")["InstanceProfiles"]:
        profiles[listed["InstanceProfileId"]] = {
            "name": listed["InstanceProfileName"],
            "created_at": listed["CreateDate"],
            "roles": {role["RoleId"] for role in listed["Roles"]},
        }
    roles: Picture = {}
    for listed in asked.call(at, "ListRoles")["Roles"]:
        name = listed["RoleName"]
        role = asked.call(at, "GetRole", RoleName=name)["Role"]
        assert {key: role[key] for key in listed} == listed
        roles[role["RoleId"]] = {
            **identity_of_aws_api(asked, at, "Role", role),
            "description": role.get("Description", ""),
            "session": role["MaxSessionDuration"],
            "trust": role["AssumeRolePolicyDocument"],
        }
        of_role = asked.call(at, "ListInstanceProfilesForRole", RoleName=name)["InstanceProfiles"]
        assert {each["InstanceProfileId"] for each in of_role} == {
            each for each in profiles if role["RoleId"] in profiles[each]["roles"]
        }
    holders: Picture = {}
    for arn in (*AWS_OWN, *(policy["arn"] for policy in policies.values())):
        for usage in ("PermissionsPolicy", "PermissionsBoundary"):
            answer = asked.call(at, "ListEntitiesForPolicy", PolicyArn=arn, PolicyUsageFilter=usage)
            holders[f"{usage} {arn}"] = {
                each[f"{noun}Id"]: each[f"{noun}Name"] for noun in NOUNS for each in answer[f"Policy{noun}s"]
            }
    taken = {user["name"].lower() for user in users.values()}
    for name in NAMES:
        if name not in taken:
            assert asked.call(at, "GetUser", UserName=name) == ABSENT
    identities = {"User": users, "Group": groups, "Role": roles}
    return {**identities, "policies": policies, "profiles": profiles, "holders": holders}


def origins_of_native_api(asked: Asked, instant: str, arns: Iterable[str]) -> Picture:
    """Where things began, as `/v1` tells it: the policy sets of each user, and who carries these managed policies."""
    at = f"at={quote(instant)}"
    users: Picture = {}
    for name in NAMES:
        answer = asked.get(f"/v1/users/{name}/policies?{at}")
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
    carriers = {
        (each["id"], arn, each["via"]): each["position"]
        for arn in arns
        for each in asked.get(f"/v1/policies/{quote(arn, safe='')}/attachments?{at}")["attachments"]
    }
    return {"users": users, "carriers": carriers}


EFFECTIVE = "effective_user_policies_history"
TRUST_ENTRIES = "(SELECT * FROM entries_history WHERE relation = 'role_trust')"
HOLDS_AT_POSITION = "account = ? AND valid_from <= ? AND (valid_to > ? OR valid_to IS NULL)"
HOLDS_AT_TIME = "account = ? AND since <= ? AND (until > ? OR until IS NULL)"


def picture_of_views(connection: sqlite3.Connection, account: str, at: int | str) -> tuple[Picture, Picture]:
    """What the SQL views say at a position or a time: the picture, and where things began."""
    holds = HOLDS_AT_POSITION if isinstance(at, int) else HOLDS_AT_TIME

    def rows(columns: str, view: str) -> list[Any]:
        return connection.execute(f"SELECT {columns} FROM {view} WHERE {holds}", (account, at, at)).fetchall()

    identities: dict[str, Picture] = {noun: {} for noun in NOUNS}
    users, groups, roles = identities.values()
    began: dict[tuple[str, str], int] = {}
    for noun, found in identities.items():
        kind = noun.lower()
        for id_, name, path, created_at in rows(f"{kind}_id, {kind}_name, path, created_at", f"{kind}s_history"):
            found[id_] = {"name": name, "path": path, "created_at": created_at, "attached": {}, "inline": {}}
            if noun != "Group":
                found[id_] |= {"tags": {}, "boundary": None}
        columns = f"{kind}_id, {kind}_name, kind, policy_name, policy_arn, document, valid_from"
        for id_, latest, via, name, arn, document, valid_from in rows(columns, f"{kind}_policies_history"):
            assert noun != "Role" or latest == found[id_]["name"]
            assert (arn, document)[via == "attached"] is None
            found[id_][via][arn or name] = name if via == "attached" else document
            began[id_, arn or name] = valid_from
        if noun != "Group":
            for id_, key, value in rows(f"{kind}_id, key, value", f"{kind}_tags_history"):
                found[id_]["tags"][key] = value
            for id_, arn, valid_from in rows(f"{kind}_id, policy_arn, valid_from", f"{kind}_boundaries_history"):
                found[id_]["boundary"] = arn
                began[id_, BOUNDARY] = valid_from
    for group in groups.values():
        group["members"] = set()
    for user_id, group_id, valid_from in rows("user_id, group_id, valid_from", "user_groups_history"):
        groups[group_id]["members"].add(user_id)
        began[user_id, group_id] = valid_from
    for user in users.values():
        user |= {"keys": {}, "login": None}
    for user_id, key, status, created_at in rows("user_id, access_key_id, status, created_at", "access_keys_history"):
        users[user_id]["keys"][key] = (status, created_at)
    for user_id, reset in rows("user_id, password_reset_required", "login_profiles_history"):
        users[user_id]["login"] = bool(reset)
    for role_id, description, session in rows("role_id, description, max_session_duration", "roles_history"):
        roles[role_id] |= {"description": description, "session": session}
    meant = dict(rows("owner, value ->> 'principals'", TRUST_ENTRIES))
    for role_id, document in rows("role_id, document", "role_trust_policies_history"):
        principals = json.loads(meant[role_id] or "{}")
        roles[role_id]["trust"] = as_shown(document, principals, identities, account)
    profiles: Picture = {}
    columns = "instance_profile_id, instance_profile_name, created_at"
    for id_, name, created_at in rows(columns, "instance_profiles_history"):
        profiles[id_] = {"name": name, "created_at": created_at, "roles": set()}
    for id_, role_id in rows("instance_profile_id, role_id", "instance_profile_roles_history"):
        profiles[id_]["roles"].add(role_id)
    policies: Picture = {}
    for policy_id, arn, name in rows("policy_id, policy_arn, policy_name", "policies_history"):
        policies[policy_id] = {"arn": arn, "name": name, "versions": {}}
    for policy_id, version, document in rows("policy_id, version_id, document", "policy_versions_history"):
        policies[policy_id]["versions"][version] = document
    for policy_id, version in rows("policy_id, version_id", "policy_defaults_history"):
        policies[policy_id]["default"] = version
    origins = origins_of(identities, policies, began)
    effective = rows("user_id, group_id, coalesce(policy_arn, policy_name), valid_from", EFFECTIVE)
    assert {(user_id, group_id, policy): at for user_id, group_id, policy, at in effective if group_id} == {
        (user_id, *path): max(positions)
        for user_id, each in origins["users"].items()
        for path, positions in each["inherited"].items()
    }
    holders = holders_of(identities, policies)
    return {**identities, "policies": policies, "profiles": profiles, "holders": holders}, origins


def as_shown(document: str, principals: Mapping[str, str], identities: Mapping[str, Picture], account: str) -> str:
    """A trust policy with those whom it meant when it was written called as they are now, or by id if they are gone."""
    for name, id_ in principals.items():
        called = [
            f"arn:aws:iam::{account}:{noun.lower()}{found[id_]['path']}{found[id_]['name']}"
            for noun, found in identities.items()
            if id_ in found
        ]
        document = document.replace(f'"{name}"', f'"{(called or [id_])[0]}"')
    return document


def holders_of(identities: Mapping[str, Picture], policies: Picture) -> Picture:
    """Who carries which policy, the other way round."""
    every = {id_: each for found in identities.values() for id_, each in found.items()}
    holders: Picture = {}
    for arn in (*AWS_OWN, *(policy["arn"] for policy in policies.values())):
        holders[f"PermissionsPolicy {arn}"] = {
            id_: each["name"] for id_, each in every.items() if arn in each["attached"]
        }
        holders[f"PermissionsBoundary {arn}"] = {
            id_: each["name"] for id_, each in every.items() if arn == each.get("boundary")
        }
    return holders


def origins_of(identities: Mapping[str, Picture], policies: Picture, began: Mapping[tuple[str, str], int]) -> Picture:
    """What `origins_of_native_api` tells, from a picture and the positions at which its things began.

    These are by owner, and by policy or group, or BOUNDARY.
    """
    known = {*AWS_OWN, *(policy["arn"] for policy in policies.values())}
    carriers: Picture = {}
    for id_, each in ((id_, each) for found in identities.values() for id_, each in found.items()):
        carriers |= {(id_, arn, "attached"): began[id_, arn] for arn in each["attached"] if arn in known}
        if each.get("boundary") in known:
            carriers[id_, each["boundary"], "boundary"] = began[id_, BOUNDARY]
    users = {
        user_id: {
            "name": user["name"],
            "attached": {arn: began[user_id, arn] for arn in user["attached"]},
            "inline": {name: (document, began[user_id, name]) for name, document in user["inline"].items()},
            "inherited": {
                (group_id, policy): (began[group_id, policy], began[user_id, group_id])
                for group_id, group in identities["Group"].items()
                if user_id in group["members"]
                for policy in (*group["attached"], *group["inline"])
            },
        }
        for user_id, user in identities["User"].items()
    }
    return {"users": users, "carriers": carriers}


class Model:
    """The records added up, one event after the other."""

    def __init__(self, account: str, records: list[dict[str, Any]]) -> None:
        self._account = account
        self.identities: dict[str, Picture] = {noun: {} for noun in NOUNS}
        self.policies: Picture = {}
        self.profiles: Picture = {}
        self._began: dict[tuple[str, str], int] = {}
        for record in records:
            if event := record.get("event"):
                self._take(event["type"], event, record["position"])

    def picture(self) -> tuple[Picture, Picture]:
        """The picture, and where things began."""
        roles = {
            role_id: {**role, "trust": as_shown(*role["trust"], self.identities, self._account)}
            for role_id, role in self.identities["Role"].items()
        }
        told = {"Role": roles, "policies": self.policies, "profiles": self.profiles}
        told["holders"] = holders_of(self.identities, self.policies)
        return {**self.identities, **told}, origins_of(self.identities, self.policies, self._began)

    def _take(self, kind: str, event: dict[str, Any], position: int) -> None:
        noun = next((noun for noun in NOUNS if kind.startswith(noun)), "")
        if noun:
            self._take_of_identity(noun, kind.removeprefix(noun), event, position)
        elif kind.startswith(("AccessKey", "LoginProfile")):
            self._take_of_credential(kind, self.identities["User"][event["user_id"]], event)
        elif kind == "AssumeRolePolicyUpdated":
            trust = (event["policy_document"], event.get("principals", {}))
            self.identities["Role"][event["role_id"]]["trust"] = trust
        elif kind == "InstanceProfileCreated":
            made = {"name": event["instance_profile_name"], "created_at": event["created_at"], "roles": set()}
            self.profiles[event["instance_profile_id"]] = made
        elif kind == "InstanceProfileDeleted":
            del self.profiles[event["instance_profile_id"]]
        else:
            self._take_of_policy(kind, event)

    def _take_of_identity(self, noun: str, what: str, event: dict[str, Any], position: int) -> None:
        id_, name = event[f"{noun.lower()}_id"], event[f"{noun.lower()}_name"]
        if what == "Created":
            self.identities[noun][id_] = self._created(noun, name, event)
            self._began[id_, BOUNDARY] = position
            return
        it = self.identities[noun][id_]
        match what:
            case "Updated" | "DescriptionUpdated":
                it |= {"name": name, "path": event["path"]}
                if noun == "Role":
                    it["description"] = event.get("description", "")
                    it["session"] = event.get("max_session_duration", HOUR)
            case "Deleted":
                del self.identities[noun][id_]
            case "Tagged":
                for tag in event["tags"]:
                    for key in [key for key in it["tags"] if key.lower() == tag["key"].lower()]:
                        del it["tags"][key]
                    it["tags"][tag["key"]] = tag["value"]
            case "Untagged":
                gone = {key.lower() for key in event["tag_keys"]}
                it["tags"] = {key: value for key, value in it["tags"].items() if key.lower() not in gone}
            case "PermissionsBoundaryPut":
                it["boundary"] = event["permissions_boundary"]
                self._began[id_, BOUNDARY] = position
            case "PermissionsBoundaryDeleted":
                it["boundary"] = None
            case "PolicyAttached":
                it["attached"][event["policy_arn"]] = event["policy_name"]
                self._began[id_, event["policy_arn"]] = position
            case "PolicyDetached":
                del it["attached"][event["policy_arn"]]
            case "PolicyPut":
                it["inline"][event["policy_name"]] = event["policy_document"]
                self._began[id_, event["policy_name"]] = position
            case "PolicyDeleted":
                del it["inline"][event["policy_name"]]
            case "AddedToGroup":
                self.identities["Group"][event["group_id"]]["members"].add(id_)
                self._began[id_, event["group_id"]] = position
            case "RemovedFromGroup":
                self.identities["Group"][event["group_id"]]["members"].remove(id_)
            case "AddedToInstanceProfile":
                self.profiles[event["instance_profile_id"]]["roles"].add(id_)
            case "RemovedFromInstanceProfile":
                self.profiles[event["instance_profile_id"]]["roles"].remove(id_)
            case _:
                raise AssertionError(f"the model does not know {noun}{what}")

    def _created(self, noun: str, name: str, event: dict[str, Any]) -> Picture:
        made = {"name": name, "path": event["path"], "created_at": event["created_at"], "attached": {}, "inline": {}}
        if noun == "Group":
            return {**made, "members": set()}
        made["boundary"] = event.get("permissions_boundary")
        made["tags"] = {tag["key"]: tag["value"] for tag in event.get("tags", [])}
        if noun == "User":
            return {**made, "keys": {}, "login": None}
        description, session = event.get("description", ""), event.get("max_session_duration", HOUR)
        trust = (event["assume_role_policy_document"], event.get("principals", {}))
        return {**made, "description": description, "session": session, "trust": trust}

    def _take_of_credential(self, kind: str, user: Picture, event: dict[str, Any]) -> None:
        match kind:
            case "AccessKeyCreated" | "AccessKeyUpdated":
                user["keys"][event["access_key_id"]] = (event.get("status", "Active"), event["created_at"])
            case "AccessKeyDeleted":
                del user["keys"][event["access_key_id"]]
            case "LoginProfileCreated" | "LoginProfileUpdated":
                user["login"] = event["password_reset_required"]
            case "LoginProfileDeleted":
                user["login"] = None
            case _:
                raise AssertionError(f"the model does not know {kind}")

    def _take_of_policy(self, kind: str, event: dict[str, Any]) -> None:
        policy = self.policies.get(event["policy_id"], {})
        match kind:
            case "PolicyCreated":
                self.policies[event["policy_id"]] = {
                    "arn": event["policy_arn"],
                    "name": event["policy_name"],
                    "default": "v1",
                    "versions": {"v1": event["policy_document"]},
                }
            case "PolicyVersionCreated":
                policy["versions"][event["version_id"]] = event["policy_document"]
                if event.get("set_as_default"):
                    policy["default"] = event["version_id"]
            case "DefaultPolicyVersionSet":
                policy["default"] = event["version_id"]
            case "PolicyVersionDeleted":
                del policy["versions"][event["version_id"]]
            case "PolicyDeleted":
                del self.policies[event["policy_id"]]
            case _:
                raise AssertionError(f"the model does not know {kind}")


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
    places = st.lists(st.tuples(st.integers(0, 99), kinds), min_size=3, max_size=4)

    @settings(max_examples=12)
    @given(st.lists(steps, min_size=4, max_size=6), places)
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
                picture, origins = Model(account.id, records[:position]).picture()
                arns = (*AWS_OWN, *(policy["arn"] for policy in picture["policies"].values()))

                assert picture_of_aws_api(asked, instant) == picture
                assert origins_of_native_api(asked, instant, arns) == origins
                assert picture_of_views(views, account.id, position) == (picture, origins)
                if time is not None:
                    assert picture_of_views(views, account.id, time) == (picture, origins)

    agree()
