"""Service-linked roles."""

from lives import Life, Questions, tags

ECS = "AWSServiceRoleForECS"


def live(account: str) -> Life:
    """Each of their write actions, what else may be done to them, and a name that is used again."""
    yield "CreateServiceLinkedRole", {"AWSServiceName": "ecs.amazonaws.com"}
    yield (
        "CreateServiceLinkedRole",
        {"AWSServiceName": "autoscaling.amazonaws.com", "CustomSuffix": "a", "Description": "Scales."},
    )
    yield "TagRole", {"RoleName": ECS, **tags("Team=red")}
    yield "UpdateRoleDescription", {"RoleName": ECS, "Description": "Runs containers."}
    yield "DeleteServiceLinkedRole", {"RoleName": ECS}
    yield "CreateServiceLinkedRole", {"AWSServiceName": "ecs.amazonaws.com"}
    yield "DeleteServiceLinkedRole", {"RoleName": "AWSServiceRoleForAutoScaling_a"}


def questions(account: str) -> Questions:
    """What is asked of them."""
    roles = [{"RoleName": name} for name in (ECS, "AWSServiceRoleForAutoScaling_A")]
    policy = "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy"
    return {
        "GetServiceLinkedRoleDeletionStatus": [{"DeletionTaskId": "task/none"}],
        "GetRole": roles,
        "ListRoles": [{"PathPrefix": "/aws-service-role/"}],
        "ListAttachedRolePolicies": roles,
        "ListEntitiesForPolicy": [{"PolicyArn": policy}],
    }
