"""Actions on the credential report."""

from collections.abc import Mapping
from datetime import datetime

from api.actions.action import Action, Reply, Report, Start
from iam.credential_report import credential_report


def _start(there_was_one: bool) -> Reply:
    """Have the report made, of this very moment. It can be fetched at once.

    AWS begins a new one only once the one before is four hours old.
    """
    if there_was_one:
        return {"State": "COMPLETE"}
    return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


def _report(content: str, generated_at: datetime) -> Reply:
    return {"Content": content.encode(), "ReportFormat": "text/csv", "GeneratedTime": generated_at}


ACTIONS: Mapping[str, Action] = {
    "GenerateCredentialReport": Start(_start),
    "GetCredentialReport": Report(credential_report, _report),
}
