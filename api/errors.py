"""From a refusal to what HTTP says of it: the one table of statuses, and the two spellings of a code."""

import re
import sqlite3
from functools import cache

from eventstore.log import DamagedRecord, LogError
from iam import errors as e
from iam.errors import IamError

STATUS: dict[type[IamError], int] = {
    e.NoSuchEntity: 404,
    e.EntityAlreadyExists: 409,
    e.LimitExceeded: 409,
    e.DeleteConflict: 409,
    e.RestoreConflict: 409,
    e.InvalidAuthenticationCode: 403,
    e.InvalidInput: 400,
    e.MalformedPolicyDocument: 400,
    e.MalformedCertificate: 400,
    e.InvalidCertificate: 400,
    e.KeyPairMismatch: 400,
    e.DuplicateCertificate: 409,
    e.InvalidPublicKey: 400,
    e.UnrecognizedPublicKeyEncoding: 400,
    e.DuplicateSSHPublicKey: 400,
    e.PolicyNotAttachable: 400,
    e.FeatureEnabled: 409,
    e.FeatureDisabled: 404,
    e.UnmodifiableEntity: 400,
    e.InvalidUserType: 400,
    e.PasswordPolicyViolation: 400,
    e.ReportNotPresent: 410,
    e.InvalidClientTokenId: 403,
    e.AccessDenied: 403,
    e.ValidationError: 400,
    e.MalformedInput: 400,
    e.InvalidAction: 400,
    e.MissingAction: 400,
    e.InstantIsReadOnly: 400,
    e.MethodNotAllowed: 405,
    e.RequestTooLarge: 413,
    e.RequestTimeout: 408,
    e.NotYetImplemented: 501,
    e.IdempotentParameterMismatch: 400,
    e.ServiceUnavailable: 503,
    e.ServiceFailure: 500,
}

_CLASSES = {error.code: error for error in STATUS}

RETRY_AFTER_SECONDS = 1


def refusal(code: str, message: str) -> IamError:
    """The refusal that a record tells of, to be answered a second time; a newer program may know more of them."""
    return _CLASSES.get(code, e.ServiceUnavailable)(message)


def unforeseen(error: Exception) -> IamError:
    """What is answered where something went wrong that is no refusal. The service's log has the traceback."""
    if isinstance(error, DamagedRecord):
        place = f"record {error.position} of {error.account}"
        return e.ServiceUnavailable(f"The ledger cannot be read: {place} is damaged. The service's log says more.")
    if isinstance(error, LogError):
        return e.ServiceUnavailable("The ledger cannot be read: the service's log says why. The call may be repeated.")
    # Of the projections, as the other files' errors have names; SQLITE_ERROR is a statement that is wrong.
    if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) != sqlite3.SQLITE_ERROR:
        return e.ServiceUnavailable(
            "The projections cannot be read: the service's log says why. `iam-ledger rebuild` makes them anew."
        )
    return e.ServiceFailure("The service has failed at this request. Its log says why.")


@cache
def upper_snake(code: str) -> str:
    """A code of AWS as the JSON envelope writes it: NoSuchEntity is NO_SUCH_ENTITY."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", code).upper()
