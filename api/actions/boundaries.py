"""Actions on permissions boundaries."""

from collections.abc import Mapping

from api.actions.action import Action, Write
from iam.boundaries import (
    DeleteRolePermissionsBoundary,
    DeleteUserPermissionsBoundary,
    PutRolePermissionsBoundary,
    PutUserPermissionsBoundary,
    delete_permissions_boundary,
    put_permissions_boundary,
)

ACTIONS: Mapping[str, Action] = {
    "PutUserPermissionsBoundary": Write(PutUserPermissionsBoundary, put_permissions_boundary),
    "DeleteUserPermissionsBoundary": Write(DeleteUserPermissionsBoundary, delete_permissions_boundary),
    "PutRolePermissionsBoundary": Write(PutRolePermissionsBoundary, put_permissions_boundary),
    "DeleteRolePermissionsBoundary": Write(DeleteRolePermissionsBoundary, delete_permissions_boundary),
}
