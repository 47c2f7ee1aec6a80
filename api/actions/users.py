"""Actions on users."""

from collections.abc import Mapping

from api.actions.action import Action, Listing, Read, Reply, Write, under
from api.actions.members import boundary, tag
from iam.arns import iam_arn
from iam.events.users import UserCreated
from iam.tags import list_thing_tags, tag_thing, untag_thing
from iam.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUsers,
    ListUserTags,
    TagUser,
    UntagUser,
    UpdateUser,
    User,
    create_user,
    delete_user,
    get_user,
    list_users,
    update_user,
)


def listed_user(user: User) -> Reply:
    """A user in a list: without tags and boundary. The root user has no name and no path."""
    return {
        "Path": user.path or None,
        "UserName": user.user_name or None,
        "UserId": user.user_id,
        "Arn": user.arn,
        "CreateDate": user.created_at,
    }


def _user(user: User) -> Reply:
    """Tags only if there are any, a boundary only if one is set."""
    return {
        "User": {
            **listed_user(user),
            "PermissionsBoundary": boundary(user.permissions_boundary),
            "Tags": [tag(each) for each in user.tags] or None,
        }
    }


def _created(event: UserCreated, account: str, partition: str) -> Reply:
    """Out of what was recorded, in the order in which the tags were given."""
    arn = iam_arn(partition, account, "user", event.path, event.user_name)
    return _user(
        User(event.user_id, event.user_name, event.path, arn, event.created_at, event.tags, event.permissions_boundary)
    )


ACTIONS: Mapping[str, Action] = {
    "CreateUser": Write(CreateUser, create_user, _created),
    "GetUser": Read(GetUser, get_user, _user),
    "UpdateUser": Write(UpdateUser, update_user),
    "DeleteUser": Write(DeleteUser, delete_user),
    "ListUsers": Listing(ListUsers, list_users, under("Users", listed_user), wide=True),
    "TagUser": Write(TagUser, tag_thing),
    "UntagUser": Write(UntagUser, untag_thing),
    "ListUserTags": Listing(ListUserTags, list_thing_tags, under("Tags", tag)),
}
