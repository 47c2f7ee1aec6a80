"""The `iam-ledger` command, one module per verb. The only place where the parts are put together."""
