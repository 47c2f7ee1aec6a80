"""`iam-ledger replay`: what an account was at an instant, folded from its ledger alone, as JSON.

The projections are not looked at, and the hash chain is not checked: that is what `verify` is for.
"""

import argparse
import asyncio
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from api.instants import Basis, resolve
from eventstore.log import Log
from iam import relations as r
from iam.errors import IamError
from iam.policies import Policy, get_policy, list_policies, list_policy_versions
from iam.commands import GetPolicy, ListPolicies, ListPolicyVersions
from iam.state import Account, World
from iam.users import user_at
from projections.records import UnknownEvent, read_record
from tools.data import DataFolder, catalogue, open_log
from tools.failure import Failure
from tools.undisturbed import read_undisturbed

RECORDS_PER_PAGE = 1000
