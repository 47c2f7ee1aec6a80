"""Actions that tell what policies speak of: services that they grant, and context keys."""

from collections.abc import Mapping
from datetime import UTC, datetime

from api.actions.action import Action, Listing, Read, Reply, under
from iam.applied_policies import AppliedPolicy
from iam.context_keys import (
    GetContextKeysForCustomPolicy,
    GetContextKeysForPrincipalPolicy,
    get_context_keys_for_custom_policy,
    get_context_keys_for_principal_policy,
)
from iam.last_accessed import (
    Entity,
    GenerateServiceLastAccessedDetails,
    GetServiceLastAccessedDetails,
    GetServiceLastAccessedDetailsWithEntities,
    Job,
    generate_details,
    job_id,
    job_of,
    list_entities,
    list_services,
)
from iam.service_access import (
    ListPoliciesGrantingServiceAccess,
    ServiceGrants,
    list_policies_granting_service_access,
)
from iam.services import SERVICES
from iam.state import State


def _granting(policy: AppliedPolicy) -> Reply:
    """Of an inline policy also what it is part of."""
    if policy.policy_arn is not None:
        return {"PolicyName": policy.policy_name, "PolicyType": "MANAGED", "PolicyArn": policy.policy_arn}
    owner = {"EntityType": policy.kind.noun.upper(), "EntityName": policy.name}
    return {"PolicyName": policy.policy_name, "PolicyType": "INLINE", **owner}


def _grants(grants: ServiceGrants) -> Reply:
    policies = [_granting(policy) for policy in grants.policies]
    return {"ServiceNamespace": grants.service_namespace, "Policies": policies}


def _job(about: tuple[str, str]) -> Reply:
    """The id holds the present time, so that it differs from call to call."""
    return {"JobId": job_id(Job(*about, datetime.now(UTC)))}


def _status(job: Job) -> Reply:
    """A job is done at once."""
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.created_at, "JobCompletionDate": job.created_at}


def _of_services(state: State, query: GetServiceLastAccessedDetails) -> Reply:
    job = job_of(state, query.job_id)
    return {**_status(job), "JobType": job.granularity}


def _of_entities(state: State, query: GetServiceLastAccessedDetailsWithEntities) -> Reply:
    return _status(job_of(state, query.job_id))


def _service(namespace: str) -> Reply:
    """A service that nobody is known to have accessed."""
    return {"ServiceName": SERVICES[namespace], "ServiceNamespace": namespace, "TotalAuthenticatedEntities": 0}


def _entity(entity: Entity) -> Reply:
    return {
        "EntityInfo": {
            "Arn": entity.arn,
            "Name": entity.name,
            "Type": entity.kind.noun.upper(),
            "Id": entity.id,
            "Path": entity.path,
        }
    }


_keys = "ContextKeyNames"

ACTIONS: Mapping[str, Action] = {
    "ListPoliciesGrantingServiceAccess": Listing(
        ListPoliciesGrantingServiceAccess,
        list_policies_granting_service_access,
        under("PoliciesGrantingServiceAccess", _grants),
        wide=True,
    ),
    "GenerateServiceLastAccessedDetails": Read(GenerateServiceLastAccessedDetails, generate_details, _job),
    "GetServiceLastAccessedDetails": Listing(
        GetServiceLastAccessedDetails,
        list_services,
        under("ServicesLastAccessed", _service),
        about=_of_services,
        wide=True,
    ),
    "GetServiceLastAccessedDetailsWithEntities": Listing(
        GetServiceLastAccessedDetailsWithEntities,
        list_entities,
        under("EntityDetailsList", _entity),
        about=_of_entities,
        wide=True,
    ),
    "GetContextKeysForCustomPolicy": Read(
        GetContextKeysForCustomPolicy, get_context_keys_for_custom_policy, lambda keys: {_keys: keys}
    ),
    "GetContextKeysForPrincipalPolicy": Read(
        GetContextKeysForPrincipalPolicy, get_context_keys_for_principal_policy, lambda keys: {_keys: keys}, wide=True
    ),
}
