"""Actions on groups."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Reply, Write, under
from api.actions.users import listed_user
from iam.arns import iam_arn
from iam.events.groups import GroupCreated
from iam.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    Group,
    ListGroups,
    ListGroupsForUser,
    RemoveUserFromGroup,
    UpdateGroup,
    add_user_to_group,
    create_group,
    delete_group,
    get_group,
    list_groups,
    list_groups_for_user,
    list_members,
    remove_user_from_group,
    update_group,
)


def group(item: Group) -> Reply:
    """A group."""
    return {
        "Path": item.path,
        "GroupName": item.group_name,
        "GroupId": item.group_id,
        "Arn": item.arn,
        "CreateDate": item.created_at,
    }


def _created(event: GroupCreated, account: str, partition: str) -> Reply:
    arn = iam_arn(partition, account, "group", event.path, event.group_name)
    return {"Group": group(Group(event.group_id, event.group_name, event.path, arn, event.created_at))}


ACTIONS: Mapping[str, Action] = {
    "CreateGroup": Write(CreateGroup, create_group, _created),
    "GetGroup": Listing(
        GetGroup,
        list_members,
        under("Users", listed_user),
        about=lambda state, query: {"Group": group(get_group(state, query))},
    ),
    "UpdateGroup": Write(UpdateGroup, update_group),
    "DeleteGroup": Write(DeleteGroup, delete_group),
    "ListGroups": Listing(ListGroups, list_groups, under("Groups", group), wide=True),
    "AddUserToGroup": Write(AddUserToGroup, add_user_to_group),
    "RemoveUserFromGroup": Write(RemoveUserFromGroup, remove_user_from_group),
    "ListGroupsForUser": Listing(ListGroupsForUser, list_groups_for_user, under("Groups", group)),
}
