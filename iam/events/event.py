"""What all events are."""

from collections.abc import Iterator

import msgspec

from iam.relations import Change


class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="type"):
    """A fact about one account, complete in itself."""

    def changes(self) -> Iterator[Change]:
        """The entries of the state that begin and end with this fact."""
        raise NotImplementedError
