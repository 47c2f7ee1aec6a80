"""Actions on service-specific credentials."""

import os
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from api.actions.action import Action, Listing, Reply, Secret, Write, under
from iam.events.credentials import ServiceSpecificCredentialCreated, ServiceSpecificCredentialReset
from iam.login_profiles import PASSWORD_ID_PREFIX
from iam.service_credentials import (
    API_KEY_SERVICES,
    CreateServiceSpecificCredential,
    DeleteServiceSpecificCredential,
    ListServiceSpecificCredentials,
    ResetServiceSpecificCredential,
    ServiceCredential,
    UpdateServiceSpecificCredential,
    create_service_specific_credential,
    delete_service_specific_credential,
    list_service_specific_credentials,
    reset_service_specific_credential,
    update_service_specific_credential,
)

PASSWORD_BYTES = 32


def _listed(credential: ServiceCredential) -> Reply:
    """A credential without its password. Of API keys the name is called an alias."""
    alias = credential.service_name in API_KEY_SERVICES
    return {
        "UserName": credential.user_name,
        "Status": credential.status,
        "ServiceUserName": None if alias else credential.service_user_name,
        "ServiceCredentialAlias": credential.service_user_name if alias else None,
        "CreateDate": credential.created_at,
        "ExpirationDate": credential.expires_at,
        "ServiceSpecificCredentialId": credential.credential_id,
        "ServiceName": credential.service_name,
    }


def _told(
    event: ServiceSpecificCredentialCreated | ServiceSpecificCredentialReset, account: str, partition: str
) -> Reply:
    credential = ServiceCredential(
        event.service_specific_credential_id,
        event.user_name,
        event.service_name,
        event.service_user_name,
        event.status if isinstance(event, ServiceSpecificCredentialReset) else "Active",
        event.created_at,
        event.expires_at,
    )
    return {"ServiceSpecificCredential": _listed(credential)}


def _password(parameters: Mapping[str, Any]) -> str:
    return b64encode(os.urandom(PASSWORD_BYTES)).decode()


def _shown(reply: Reply, password: str) -> Reply:
    """With the password, under the name that it has in credentials of this service."""
    credential = reply["ServiceSpecificCredential"]
    member = "ServicePassword" if credential["ServiceUserName"] is not None else "ServiceCredentialSecret"
    return {"ServiceSpecificCredential": {**credential, member: password}}


_SECRET = Secret(PASSWORD_ID_PREFIX, _password, _shown)

ACTIONS: Mapping[str, Action] = {
    "CreateServiceSpecificCredential": Write(
        CreateServiceSpecificCredential, create_service_specific_credential, _told, _SECRET
    ),
    "ListServiceSpecificCredentials": Listing(
        ListServiceSpecificCredentials,
        list_service_specific_credentials,
        under("ServiceSpecificCredentials", _listed),
        wide=True,
    ),
    "UpdateServiceSpecificCredential": Write(UpdateServiceSpecificCredential, update_service_specific_credential),
    "ResetServiceSpecificCredential": Write(
        ResetServiceSpecificCredential, reset_service_specific_credential, _told, _SECRET
    ),
    "DeleteServiceSpecificCredential": Write(DeleteServiceSpecificCredential, delete_service_specific_credential),
}
