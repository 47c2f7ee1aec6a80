"""Every fact the log can hold, and what each means to the state.

The tags and field names are the storage format: they outlive the classes, are frozen by golden files, and are
only ever added to. Values that the API shows (ids, dates) are in the event; who, from where and when it was
recorded is in the record around it. `changes` holds no rules: the rules held when the fact was recorded.
"""

from typing import TypeAlias

from iam.events.account import AccountEvent
from iam.events.credentials import CredentialEvent
from iam.events.event import Event
from iam.events.groups import GroupEvent
from iam.events.instance_profiles import InstanceProfileEvent
from iam.events.mfa_devices import MFADeviceEvent
from iam.events.open_id_connect_providers import OpenIDConnectProviderEvent
from iam.events.policies import PolicyEvent
from iam.events.roles import RoleEvent
from iam.events.saml_providers import SAMLProviderEvent
from iam.events.server_certificates import ServerCertificateEvent
from iam.events.signing_certificates import SigningCertificateEvent
from iam.events.ssh_public_keys import SSHPublicKeyEvent
from iam.events.users import UserEvent

AnyEvent: TypeAlias = (
    UserEvent
    | CredentialEvent
    | GroupEvent
    | RoleEvent
    | InstanceProfileEvent
    | PolicyEvent
    | AccountEvent
    | MFADeviceEvent
    | SAMLProviderEvent
    | OpenIDConnectProviderEvent
    | ServerCertificateEvent
    | SigningCertificateEvent
    | SSHPublicKeyEvent
)

__all__ = ["AnyEvent", "Event"]
