"""The domain: names, policy documents, events, state and decisions. Pure: no I/O, clock, HTTP or SQL."""
