"""Questions answered ahead of time from the ledgers. Disposable: everything here is rebuilt by replay."""
