"""The compiled service model says what botocore's own reading of the same file says."""

import json
import re
import subprocess
import sys
import unicodedata
from gzip import decompress
from importlib.resources import files
from typing import Any

import pytest
from botocore import xform_name
from botocore.model import ServiceModel

from api.model import Listing, Mapped, Scalar, Shape, Structure, load, translate

IAM = load("iam", "2010-05-08")
STS = load("sts", "2011-06-15")
SERVICES = pytest.mark.parametrize("service", [IAM, STS], ids=["iam", "sts"])


def botocore_model(service: Any) -> ServiceModel:
    path = f"data/{service.name}/{service.version}/service-2.json.gz"
    return ServiceModel(json.loads(decompress(files("botocore").joinpath(path).read_bytes())), service.name)


def assert_same(ours: Shape, theirs: Any) -> None:
    match ours:
        case Structure():
            assert [m.name for m in ours.members] == list(theirs.members)
            assert {m.name for m in ours.members if m.required} == set(theirs.required_members)
            for member in ours.members:
                assert member.field == xform_name(member.name)
                assert member.wire == theirs.members[member.name].serialization.get("name", member.name)
                assert_same(member.shape, theirs.members[member.name])
        case Listing():
            assert ours.flattened == theirs.serialization.get("flattened", False)
            assert (ours.minimum, ours.maximum) == (theirs.metadata.get("min"), theirs.metadata.get("max"))
            assert_same(ours.element, theirs.member)
        case Mapped():
            assert_same(ours.key, theirs.key)
            assert_same(ours.value, theirs.value)
        case Scalar():
            assert (ours.name, ours.kind) == (theirs.name, theirs.type_name)
            assert (ours.minimum, ours.maximum) == (theirs.metadata.get("min"), theirs.metadata.get("max"))
            assert list(ours.enum or ()) == theirs.metadata.get("enum", [])
            assert ours.pattern == theirs.metadata.get("pattern")


@SERVICES
def test_every_operation_has_the_shapes_that_botocore_sees(service: Any) -> None:
    """Members, their order, requirements, bounds, patterns and enumerations agree for all operations."""
    theirs = botocore_model(service)
    assert list(service.operations) == theirs.operation_names
    assert service.namespace == theirs.metadata["xmlNamespace"]
    for name, operation in service.operations.items():
        model = theirs.operation_model(name)
        for ours, shape in ((operation.input, model.input_shape), (operation.output, model.output_shape)):
            assert (ours is None) == (shape is None)
            if ours is not None:
                assert_same(ours, shape)
        if operation.output is not None:
            assert operation.result_wrapper == model.output_shape.serialization["resultWrapper"]


def test_an_empty_result_differs_from_no_result() -> None:
    """UpdateRole answers with an empty structure, AttachUserPolicy with nothing but its request id."""
    role = IAM.operations["UpdateRole"]
    assert role.output is not None
    assert role.output.members == ()
    assert role.result_wrapper == "UpdateRoleResult"
    assert IAM.operations["AttachUserPolicy"].output is None
    assert IAM.operations["GetAccountSummary"].input is None


def test_a_member_has_a_name_for_every_use() -> None:
    """AWS prints the model's name with its first letter lowered, so inner capitals stay."""
    create = IAM.operations["CreateOpenIDConnectProvider"].input
    assert create is not None
    names = {m.name: (m.wire, m.path, m.field) for m in create.members}
    assert names["ClientIDList"] == ("ClientIDList", "clientIDList", "client_id_list")
    assert names["Url"] == ("Url", "url", "url")


def test_a_shape_is_compiled_once() -> None:
    """Operations share shapes, and an operation keeps its own."""
    create = IAM.operations["CreateUser"]
    assert create.input is create.input
    tags = [m.shape for name in ("CreateUser", "TagUser") for m in _members(name) if m.name == "Tags"]
    assert tags[0] is tags[1]
    assert load("iam", "2010-05-08") is IAM


def _members(name: str) -> Any:
    structure = IAM.operations[name].input
    assert structure is not None
    return structure.members


def test_a_version_that_botocore_lacks_is_not_found() -> None:
    """There is no guessing of versions."""
    with pytest.raises(FileNotFoundError):
        load("iam", "1999-01-01")


def test_loading_leaves_the_machinery_of_botocore_alone() -> None:
    """botocore's sessions, loaders and models cost a second of start-up; only its data is wanted."""
    code = "import sys, api.model as m; m.load('iam', '2010-05-08'); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [name for name in loaded.stdout.split() if name.startswith("botocore.")] == []


def test_the_tag_pattern_takes_letters_separators_and_numbers_of_every_script() -> None:
    """All code points are tried against their Unicode category."""
    matches = translate(r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+").fullmatch
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        wanted = unicodedata.category(character)[0] in "LZN" or character in "_.:/=+-@"
        assert (matches(character) is not None) == wanted, hex(code)


@pytest.mark.parametrize(
    ("pattern", "text", "matched"),
    [
        (r"[\w+=,.@-]+", "alice", True),
        (r"[\w+=,.@-]+", "alice\n", False),
        (r"[\w+=,.@-]+", "zoé", False),
        (r"[\d]+", "٣", False),
        (r"^p-[0-9a-zA-Z_]{8,128}$", "p-12345678\n", False),
        (r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?", "v1", True),
        (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "//", False),
        (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "/a//b/", True),
        (r"[\u0009\u000A\u000D\u0020-\u00FF]+", "é\t\r\n", True),
    ],
)
def test_a_pattern_means_what_it_means_in_java(pattern: str, text: str, matched: bool) -> None:
    r"""The whole text must match, `\w` and `\d` are ASCII, and `$` allows no newline behind it."""
    assert (translate(pattern).fullmatch(text) is not None) == matched


@pytest.mark.parametrize("pattern", [r"\p{Lu}+", r"[\p{L}\p{Z}\p{N}_\w]"])
def test_a_pattern_without_a_python_spelling_is_refused(pattern: str) -> None:
    """A new kind of pattern must be noticed, not be matched wrongly."""
    with pytest.raises(ValueError, match=re.escape(pattern)):
        translate(pattern)
