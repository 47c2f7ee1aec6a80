"""The credential report: one line for each user and its credentials, in CSV with AWS's columns."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from iam import relations as r
from iam.access_keys import AccessKey, keys_of
from iam.arns import root_arn
from iam.identities import USER
from iam.state import State, known
from iam.uses import NONE, Use

COLUMNS = (
    *("user", "arn", "user_creation_time"),
    *("password_enabled", "password_last_used", "password_last_changed", "password_next_rotation"),
    "mfa_active",
    *(
        f"access_key_{number}_{column}"
        for number in (1, 2)
        for column in ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
    ),
    *(f"cert_{number}_{column}" for number in (1, 2) for column in ("active", "last_rotated")),
)
UNKNOWN = "no_information"
UNSUPPORTED = "not_supported"
KEYS = 2
CERTIFICATES = 2


def credential_report(state: State) -> str:
    """The report of the account. Root user first, then users by name.

    Last uses of keys are those known when it is fetched, none at an instant. Of passwords they are never known.
    """
    lines = [",".join(COLUMNS), _line(_root(state))]
    lines += (_line(_user(state, user_id)) for _, user_id in state.scan(r.USERS, ""))
    return "\n".join(lines)


def _root(state: State) -> Iterable[str]:
    """What is known of the root user here: who it is."""
    yield from ("<root_account>", root_arn(state.world.partition, state.account), UNKNOWN)
    yield from (UNSUPPORTED, UNKNOWN, UNSUPPORTED, UNSUPPORTED)
    yield "false"
    yield from _keys((), {})
    yield from _certificates(())


def _user(state: State, user_id: str) -> Iterable[str]:
    user = known(state, r.USER, user_id)
    yield from (user.user_name, USER.arn(state, user_id), _time(user.created_at))
    profile = state.get(r.LOGIN_PROFILE, user_id)
    if profile is None:
        yield from ("false", NONE, NONE, NONE)
    else:
        policy = state.get(r.PASSWORD_POLICY, "")
        days = policy.max_password_age if policy is not None else None
        changed_at = profile.password_changed_at
        yield from ("true", UNKNOWN, _time(changed_at), _time(changed_at + timedelta(days=days)) if days else NONE)
    yield _boolean(state.count(r.USER_MFA_DEVICES, user_id) > 0)
    yield from _keys(keys_of(state, user_id), state.world.uses)
    certificates = state.members(r.USER_SIGNING_CERTIFICATES, user_id).values()
    yield from _certificates(sorted(certificates, key=lambda certificate: certificate.uploaded_at))


def _keys(keys: Sequence[AccessKey], uses: Mapping[str, Use]) -> Iterable[str]:
    for key in keys[:KEYS]:
        yield from (_boolean(key.status == "Active"), _time(key.created_at))
        use = uses.get(key.access_key_id)
        yield from (NONE, NONE, NONE) if use is None else (_time(use.at), use.region, use.service)
    for _ in range(KEYS - len(keys)):
        yield from ("false", NONE, NONE, NONE, NONE)


def _certificates(certificates: Sequence[r.SigningCertificate]) -> Iterable[str]:
    for certificate in certificates[:CERTIFICATES]:
        yield from (_boolean(certificate.status == "Active"), _time(certificate.uploaded_at))
    for _ in range(CERTIFICATES - len(certificates)):
        yield from ("false", NONE)


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _line(cells: Iterable[str]) -> str:
    return ",".join(map(_cell, cells))


def _cell(text: str) -> str:
    """Names may have commas, and paths quotes too; no cell begins a line anew."""
    if "," not in text and '"' not in text:
        return text
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
