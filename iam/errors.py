"""Every refusal the service can give, one class each, with the code that clients switch on.

HTTP statuses are not known here; `api/errors.py` has them.
"""

from typing import ClassVar


class IamError(Exception):
    """A refusal: nothing has changed. `code` is the wire code of AWS, `message` its text."""

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NoSuchEntity(IamError):
    """What the request names does not exist, or does not hang where the request says."""

    code = "NoSuchEntity"


class EntityAlreadyExists(IamError):
    """The name is taken; names of one kind are unique ignoring case."""

    code = "EntityAlreadyExists"


class LimitExceeded(IamError):
    """A quota of the account would be exceeded. `iam/quotas.py` has them all."""

    code = "LimitExceeded"


class DeleteConflict(IamError):
    """Something still hangs from the entity. IAM never cascades: the caller removes it first."""

    code = "DeleteConflict"


class RestoreConflict(IamError):
    """What the user had cannot all be put back; the message names each thing and why. Nothing was put back."""

    code = "RestoreConflict"


class InvalidAuthenticationCode(IamError):
    """The codes are not two that an MFA device shows one after the other."""

    code = "InvalidAuthenticationCode"


class InvalidInput(IamError):
    """The request is well formed but makes no sense, whatever the state of the account."""

    code = "InvalidInput"


class MalformedPolicyDocument(IamError):
    """The policy document breaks the policy grammar."""

    code = "MalformedPolicyDocument"


class MalformedCertificate(IamError):
    """The certificate, its private key or its chain cannot be read, do not belong together, or have expired."""

    code = "MalformedCertificate"


class InvalidCertificate(IamError):
    """The certificate is well formed, but nothing can be signed with it."""

    code = "InvalidCertificate"


class KeyPairMismatch(IamError):
    """The private key is not that of the certificate."""

    code = "KeyPairMismatch"


class DuplicateCertificate(IamError):
    """A user of the account has the same certificate."""

    code = "DuplicateCertificate"


class InvalidPublicKey(IamError):
    """The public key is malformed, too short, or of another kind than RSA."""

    code = "InvalidPublicKey"


class UnrecognizedPublicKeyEncoding(IamError):
    """The public key is neither in OpenSSH's format nor in PEM."""

    code = "UnrecognizedPublicKeyEncoding"


class DuplicateSSHPublicKey(IamError):
    """The user has the same SSH public key."""

    code = "DuplicateSSHPublicKey"


class PolicyNotAttachable(IamError):
    """AWS reserves the policy for its own service-linked roles."""

    code = "PolicyNotAttachable"


class FeatureEnabled(IamError):
    """The feature is enabled for the account already."""

    code = "FeatureEnabled"


class FeatureDisabled(IamError):
    """The feature is not enabled for the account."""

    code = "FeatureDisabled"


class UnmodifiableEntity(IamError):
    """The role belongs to an AWS service, and only that one may change it."""

    code = "UnmodifiableEntity"


class InvalidUserType(IamError):
    """Only a user can ask for this, and for itself: the root user and roles have nothing to be changed."""

    code = "InvalidUserType"


class PasswordPolicyViolation(IamError):
    """The password is not what the account demands of passwords."""

    code = "PasswordPolicyViolation"


class ReportNotPresent(IamError):
    """No credential report was generated yet."""

    code = "ReportNotPresent"


class InvalidClientTokenId(IamError):
    """The access key was deleted or is inactive, or is not known in the partition where it was used."""

    code = "InvalidClientTokenId"

    def __init__(self, message: str = "The security token included in the request is invalid.") -> None:
        super().__init__(message)


class AccessDenied(IamError):
    """The caller may not do this."""

    code = "AccessDenied"


class ValidationError(IamError):
    """A parameter breaks a constraint of the service model."""

    code = "ValidationError"


class MalformedInput(IamError):
    """The request cannot be read: a list index, number or boolean that is not one."""

    code = "MalformedInput"


class InvalidAction(IamError):
    """AWS has no such action in the version asked for."""

    code = "InvalidAction"


class InstantIsReadOnly(IamError):
    """The past cannot be changed. Ours, not AWS's."""

    code = "InstantIsReadOnly"


class MissingAction(IamError):
    """The request does not say what to do."""

    code = "MissingAction"


class NotYetImplemented(IamError):
    """An action of AWS's model that this service does not have yet."""

    code = "NotImplemented"


class IdempotentParameterMismatch(IamError):
    """The command id was used before, for another request."""

    code = "IdempotentParameterMismatch"


class ServiceUnavailable(IamError):
    """Not done, or not known to be done. The same request with the same command id is safe to repeat."""

    code = "ServiceUnavailable"


class ServiceFailure(IamError):
    """The service itself is at fault; the log has the traceback."""

    code = "ServiceFailure"


class MethodNotAllowed(IamError):
    """The path exists, but not for this method. The header `Allow` says which there are."""

    code = "MethodNotAllowed"

    def __init__(self, message: str, allowed: str = "") -> None:
        super().__init__(message)
        self.allowed = allowed


class RequestTooLarge(IamError):
    """The body is too large. Of what AWS takes, only SAML metadata and certificate chains can be as large."""

    code = "RequestEntityTooLarge"


class RequestTimeout(IamError):
    """The body did not arrive in time."""

    code = "RequestTimeout"
