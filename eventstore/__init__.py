"""The append-only log: ledgers of records, their hash chain, group commit. Knows bytes, not IAM."""
