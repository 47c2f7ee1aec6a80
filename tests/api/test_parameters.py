"""Parameters are read and refused as AWS does it, in the same way from a form and from JSON."""

import json
from collections.abc import Callable, Mapping
from gzip import decompress
from importlib.resources import files
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import pytest
from botocore.model import ServiceModel
from botocore.serialize import create_serializer
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.constraints import acceptable
from api.forms import FIELDS, read_blob, read_timestamp
from api.model import Listing, Mapped, Operation, Scalar, Service, Shape, Structure, load
from api.parameters import from_form, from_json, read_form, read_json
from iam.errors import IamError, InvalidInput, MalformedInput, ValidationError

IAM = load("iam", "2010-05-08")
STS = load("sts", "2011-06-15")
OPERATIONS = {f"{s.name}:{name}": s.operations[name] for s in (IAM, STS) for name in s.operations}
ARN = "arn:aws:iam::123456789012:policy/p"
NULL = "Member must not be null"
DOCUMENTS = (
    "Member must satisfy constraint: [Member must have length less than or equal to 131072, Member must have "
    "length greater than or equal to 1, Member must satisfy regular expression pattern: "
    r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]+]"
)


def form(name: str, **fields: str) -> dict[str, Any]:
    return from_form(IAM.operations[name], fields)


def query(name: str, text: str) -> dict[str, Any]:
    return from_form(IAM.operations[name], read_form(text.encode()))


def tags(*pairs: tuple[str, str]) -> dict[str, str]:
    return {f"Tags.member.{place}": value for place, value in pairs}


def document(name: str, body: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return from_json(IAM.operations[name], read_json(text.encode()))


def detected(*violations: tuple[str, str]) -> str:
    plural = "" if len(violations) == 1 else "s"
    told = "; ".join(f"Value at '{path}' failed to satisfy constraint: {text}" for path, text in violations)
    return f"{len(violations)} validation error{plural} detected: {told}"


def refused(kind: type[IamError], read: Callable[[], object]) -> str:
    with pytest.raises(IamError) as refusal:
        read()
    assert type(refusal.value) is kind, refusal.value
    return refusal.value.message


def botocore_model(service: Service) -> ServiceModel:
    path = f"data/{service.name}/{service.version}/service-2.json.gz"
    return ServiceModel(json.loads(decompress(files("botocore").joinpath(path).read_bytes())))


TAKING = [name for name, operation in OPERATIONS.items() if operation.input and operation.input.members]
MODELS = {service.name: botocore_model(service) for service in (IAM, STS)}


def test_a_request_becomes_typed_fields() -> None:
    """Names are snake case, lists and structures nest, numbers and booleans are such, other fields go."""
    body = (
        "Action=CreatePolicy&Version=2010-05-08&PolicyName=p&PolicyDocument=%7B%7D+&Unknown=1"
        "&Tags.member.2.Key=c&Tags.member.2.Value=&Tags.member.1.Key=a%20+b&Tags.member.1.Value=%C3%A9"
        "&Tags.member.1.Unknown=x"
    )
    assert query("CreatePolicy", body) == {
        "policy_name": "p",
        "policy_document": "{} ",
        "tags": [{"key": "a  b", "value": "é"}, {"key": "c", "value": ""}],
    }
    assert form("ListPolicies", MaxItems="7", OnlyAttached="true") == {"max_items": 7, "only_attached": True}
    assert form("GetAccountSummary", Action="GetAccountSummary") == {}


def test_maps_and_nested_lists_are_read() -> None:
    """Entries of a map have a key and a value; a list may hold structures that hold lists."""
    properties = {"Properties.entry.1.key": "a", "Properties.entry.1.value": "b"}
    read = from_form(IAM.operations["PutAccountProperties"], properties)
    assert read["properties"] == {"a": "b"}
    context = {
        "PolicyInputList.member.1": "{}",
        "ActionNames.member.1": "s3:GetObject",
        "ContextEntries.member.1.ContextKeyName": "aws:username",
        "ContextEntries.member.1.ContextKeyValues.member.1": "alice",
        "ContextEntries.member.1.ContextKeyType": "string",
    }
    assert from_form(IAM.operations["SimulateCustomPolicy"], context) == {
        "policy_input_list": ["{}"],
        "action_names": ["s3:GetObject"],
        "context_entries": [
            {
                "context_key_name": "aws:username",
                "context_key_values": ["alice"],
                "context_key_type": "string",
            }
        ],
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"UserName=\xff", "The request body is not valid UTF-8 at byte 9"),
        (b"UserName=%ff", "UserName is not valid UTF-8 at byte 0"),
        (b"UserName=a%2", "UserName has a broken percent escape at character 1"),
        (b"UserName=%zz", "UserName has a broken percent escape at character 0"),
        (b"User%=a", "A parameter name has a broken percent escape at character 4"),
        (b"UserName=a&User%4eame=b", "Parameter UserName occurs more than once"),
        ("UserName=\ud800", "Parameter UserName has a lone surrogate"),
        ("UserName=\ud800%20", "UserName has a lone surrogate at character 0"),
        (b"&".join(b"a%d=" % n for n in range(FIELDS + 1)), f"The request has more than {FIELDS} parameters"),
    ],
)
def test_a_form_that_cannot_be_read_is_malformed(body: bytes | str, message: str) -> None:
    """The message says what is wrong and where."""
    assert refused(MalformedInput, lambda: read_form(body)) == message


def test_a_form_may_be_empty_or_untidy() -> None:
    """Empty fields are skipped, a field without a sign is empty, values keep further signs."""
    assert read_form(b"") == {}
    assert read_form("&a&&b=c=d&") == {"a": "", "b": "c=d"}
    assert read_form(b"&".join(b"a%d=" % n for n in range(FIELDS))).keys() == {f"a{n}" for n in range(FIELDS)}


@pytest.mark.parametrize("text", ["1", "01", "+1", "0000000000001"])
def test_an_integer_may_have_zeros_and_a_plus(text: str) -> None:
    """AWS reads all of these as one."""
    assert form("ListUsers", MaxItems=text) == {"max_items": 1}


@pytest.mark.parametrize(
    "text", ["", " 1 ", "\t1\n", "1.0", "1e0", "2147483648", "-2147483649", "9" * 5000, "x", "1\n", "\u0661"]
)
def test_other_spellings_of_integers_are_malformed(text: str) -> None:
    """Numbers beyond 32 bits are no integers to AWS."""
    assert refused(MalformedInput, lambda: form("ListUsers", MaxItems=text)) == (
        "Value at 'maxItems' is not an integer of 32 bits"
    )


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        ("0", "Member must have value greater than or equal to 1"),
        ("-1", "Member must have value greater than or equal to 1"),
        ("1001", "Member must have value less than or equal to 1000"),
        ("2147483647", "Member must have value less than or equal to 1000"),
    ],
)
def test_an_integer_out_of_range_is_a_violation(text: str, broken: str) -> None:
    """It was read well, so the model refuses it."""
    assert refused(ValidationError, lambda: form("ListUsers", MaxItems=text)) == detected(("maxItems", broken))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("false", False), ("0", False)])
def test_a_boolean_has_four_spellings(text: str, value: bool) -> None:
    """AWS takes digits too."""
    assert form("ListPolicies", OnlyAttached=text) == {"only_attached": value}


@pytest.mark.parametrize("text", ["", "True", "TRUE", " true", "true ", "\ttrue\n", "null", "yes", "01"])
def test_other_spellings_of_booleans_are_malformed(text: str) -> None:
    """Not even capitals are forgiven."""
    assert refused(MalformedInput, lambda: form("ListPolicies", OnlyAttached=text)) == (
        "Value at 'onlyAttached' is not a boolean"
    )


def test_timestamps_and_blobs_are_read() -> None:
    """No action takes one today; AWS's spellings are ISO 8601, seconds since 1970, and base64."""
    moments = [read_timestamp(text, "t") for text in ("2026-02-19T18:34:51Z", "1771526091")]
    assert {moment.isoformat() for moment in moments} == {"2026-02-19T18:34:51+00:00"}
    assert read_blob("AAEC", "b") == b"\0\1\2"
    for read, text in ((read_timestamp, "noon"), (read_blob, "?"), (read_blob, "é")):
        assert refused(MalformedInput, lambda read=read, text=text: read(text, "x"))


@pytest.mark.parametrize("fields", [("1.Key", "1.Value"), ("01.Key", "01.Value"), ("01.Key", "1.Value")])
def test_spellings_of_an_index_are_one_index(fields: tuple[str, str]) -> None:
    """A leading zero means nothing, even within one element."""
    read = form("TagUser", UserName="u", **tags((fields[0], "a"), (fields[1], "b")))
    assert read["tags"] == [{"key": "a", "value": "b"}]


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("0", "0 is not a valid index"),
        ("-1", "Key -1 may not have a leading '-'"),
        ("1.0", "Two index elements may not occur back to back"),
        ("12", "Excessively sparse input would skip 11 list elements"),
        ("49", "Excessively sparse input would skip 48 list elements"),
        ("9" * 5000, f"{'9' * 5000} is not a valid index"),
    ],
)
def test_an_index_that_is_none_is_malformed(index: str, message: str) -> None:
    """Lists of strings and lists of structures answer alike."""
    pair = tags((f"{index}.Key", "a"), (f"{index}.Value", "b"))
    assert refused(MalformedInput, lambda: form("TagUser", UserName="u", **pair)) == message
    keys = {f"TagKeys.member.{index}": "a"}
    assert refused(MalformedInput, lambda: form("UntagUser", UserName="u", **keys)) == message


@pytest.mark.parametrize("index", ["one", "+1", ""])
def test_a_name_in_place_of_an_index(index: str) -> None:
    """AWS reads a list of one empty structure, but no list of strings."""
    pair = tags((f"{index}.Key", "a"), (f"{index}.Value", "b"))
    assert refused(ValidationError, lambda: form("TagUser", UserName="u", **pair)) == detected(
        ("tags.1.member.value", NULL), ("tags.1.member.key", NULL)
    )
    keys = {f"TagKeys.member.{index}": "a"}
    assert refused(MalformedInput, lambda: form("UntagUser", UserName="u", **keys)) == (
        "Start of list found where not expected"
    )


@pytest.mark.parametrize(
    ("indexes", "skipped"),
    [((1, 12), 11), ((12, 1), 11), ((1, 22, 43), 21), ((*range(1, 11), 21), 11), ((*range(1, 11), 22), 12)],
)
def test_a_sparse_list_is_malformed(indexes: tuple[int, ...], skipped: int) -> None:
    """Skips are counted from the extent so far, whatever the order of the fields."""
    listed = {f"PolicyInputList.member.{index}": "{}" for index in indexes}
    assert refused(MalformedInput, lambda: form("GetContextKeysForCustomPolicy", **listed)) == (
        f"Excessively sparse input would skip {skipped} list elements"
    )


@pytest.mark.parametrize("indexes", [(11,), (1, 8, 15), (1, 11)])
def test_a_list_with_gaps_has_nulls(indexes: tuple[int, ...]) -> None:
    """Up to ten skipped elements in one place are read, and fail as nulls."""
    listed = {f"PolicyInputList.member.{index}": "{}" for index in indexes}
    assert refused(ValidationError, lambda: form("GetContextKeysForCustomPolicy", **listed)) == detected(
        ("policyInputList", DOCUMENTS)
    )


@pytest.mark.parametrize(("index", "nulls"), [(2, [1]), (3, [1, 2]), (10, range(1, 6)), (11, range(1, 6))])
def test_a_null_structure_lacks_its_members(index: int, nulls: list[int]) -> None:
    """A tag's value is missed before its key, and ten violations are all that is told."""
    pair = tags((f"{index}.Key", "a"), (f"{index}.Value", "b"))
    wanted = [(f"tags.{n}.member.{part}", NULL) for n in nulls for part in ("value", "key")]
    assert refused(ValidationError, lambda: form("TagUser", UserName="u", **pair)) == detected(*wanted)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"Tags": "x"}, "Value found where a list was expected at 'tags'"),
        ({"Tags.member": "x"}, "Value found where a list was expected at 'tags'"),
        ({"Tags.member.1": "x"}, "Value found where a structure was expected at 'tags.1.member'"),
        (
            {"Tags.member.1.Key": "a", "Tags.member.01.Key": "b"},
            "Value at 'tags.1.member' occurs more than once",
        ),
    ],
)
def test_a_value_in_the_wrong_place_is_malformed(fields: dict[str, str], message: str) -> None:
    """Text where names should go on, or one element said twice."""
    assert refused(MalformedInput, lambda: form("TagUser", UserName="u", **fields)) == message


def test_names_below_a_string_are_ignored_at_the_top_and_malformed_in_a_list() -> None:
    """An unknown parameter is ignored; an element of strings cannot be a structure."""
    assert form("GetUser", **{"UserName": "u", "UserName.x": "y"}) == {"user_name": "u"}
    keys = {"TagKeys.member.1": "a", "TagKeys.member.1.x": "y"}
    assert refused(MalformedInput, lambda: form("UntagUser", UserName="u", **keys)) == (
        "Start of structure found where not expected"
    )


@pytest.mark.parametrize("name", ["TagUser", "TagRole", "TagPolicy"])
def test_no_tags_at_all_are_invalid_input(name: str) -> None:
    """boto3 sends an empty list as an empty field; the space at the end of the message is AWS's."""
    owner = {"UserName": "u", "RoleName": "r", "PolicyArn": ARN}
    message = "Error occurred while validating input. "
    assert refused(InvalidInput, lambda: form(name, Tags="", **owner)) == message
    assert refused(InvalidInput, lambda: document(name, {"Tags": [], **owner})) == message
    assert refused(ValidationError, lambda: form(name, **owner)) == detected(("tags", NULL))


def test_no_tags_are_fine_where_tags_are_optional() -> None:
    """CreateUser(Tags=[]) creates a user without tags."""
    assert form("CreateUser", UserName="u", Tags="") == {"user_name": "u", "tags": []}


def test_a_field_that_cannot_be_read_wins_over_violations() -> None:
    """Reading comes first, for all parameters."""
    assert refused(MalformedInput, lambda: form("ListUserTags", UserName="", MaxItems="x"))


def test_a_json_body_becomes_the_same_fields() -> None:
    """Names of the model, arrays, objects and typed values; null counts as absent."""
    body = {"UserName": "u", "Tags": [{"Key": "a", "Value": "b", "X": 1}], "Path": None, "Unknown": [1]}
    assert document("CreateUser", body) == {"user_name": "u", "tags": [{"key": "a", "value": "b"}]}
    assert document("ListPolicies", {"MaxItems": 7, "OnlyAttached": True}) == {
        "max_items": 7,
        "only_attached": True,
    }


def test_a_policy_document_may_be_an_object() -> None:
    """Its exact source text counts, spaces and order included."""
    source = '{ "Version":"2012-10-17",\n "Statement" : [] }'
    body = f'{{"PolicyName": "p", "PolicyDocument": {source} }}'
    assert document("CreatePolicy", body)["policy_document"] == source
    quoted = f'{{"PolicyName": "p", "PolicyDocument": {json.dumps(source)} }}'
    assert document("CreatePolicy", quoted) == document("CreatePolicy", body)
    listed = f'{{"PolicyInputList": [ {source} , "x"]}}'
    assert document("GetContextKeysForCustomPolicy", listed)["policy_input_list"] == [source, "x"]


@pytest.mark.parametrize(
    ("name", "body", "path", "wanted"),
    [
        ("GetUser", {"UserName": 7}, "userName", "a string"),
        ("GetUser", {"UserName": {"a": 1}}, "userName", "a string"),
        ("CreatePolicy", {"PolicyName": "p", "PolicyDocument": []}, "policyDocument", "a string"),
        ("TagUser", {"UserName": "u", "Tags": {"a": "b"}}, "tags", "a list"),
        ("TagUser", {"UserName": "u", "Tags": ["a"]}, "tags.1.member", "an object"),
        ("TagUser", {"UserName": "u", "Tags": [{"Key": "a", "Value": 1}]}, "tags.1.member.value", "a string"),
        ("UntagUser", {"UserName": "u", "TagKeys": ["a", True]}, "tagKeys.2.member", "a string"),
        ("ListPolicies", {"OnlyAttached": "true"}, "onlyAttached", "a boolean"),
        ("ListPolicies", {"MaxItems": "7"}, "maxItems", "an integer"),
        ("ListPolicies", {"MaxItems": 7.0}, "maxItems", "an integer"),
        ("ListPolicies", {"MaxItems": True}, "maxItems", "an integer"),
        ("PutAccountProperties", {"Properties": []}, "properties", "an object"),
    ],
)
def test_a_wrong_json_type_is_a_violation(name: str, body: Any, path: str, wanted: str) -> None:
    """It is told in the template, with the path of the value."""
    message = f"Value at '{path}' failed to satisfy constraint: Member must be {wanted}"
    assert message in refused(ValidationError, lambda: document(name, body))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The request body is not valid JSON"),
        (b"[]", "The request body is not a JSON object"),
        (b"{", "The request body is not valid JSON"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": "\xff"}', "The request body is not valid JSON"),
        (b'{"UserName": "a", "UserName": "b"}', "Key UserName occurs more than once"),
        (b'{"a": [{"b": 1, "\\u0062": 2}]}', "Key b occurs more than once"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "Key ? occurs more than once"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "The request body is nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "The request body is nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "The request body is not valid JSON"),
    ],
)
def test_json_that_cannot_be_read_is_malformed(body: bytes, message: str) -> None:
    """The message says what is wrong."""
    assert message in refused(MalformedInput, lambda: read_json(body))


def test_a_lone_surrogate_in_json_is_malformed() -> None:
    """Text without UTF-8 could be neither stored nor answered."""
    assert refused(MalformedInput, lambda: document("GetUser", '{"UserName": "\\ud800"}'))


WORDS = ["", "alice", "/", "/a/", "v1", "{}", "team", "true", "A" * 20, ARN, "a b", "é\n", "x" * 600]


def values(shape: Shape, gaps: bool = True) -> st.SearchStrategy[Any]:
    """Right and wrong values of a shape as JSON has them; gaps are what botocore sends nothing for."""
    match shape:
        case Structure():
            members = {m.wire: values(m.shape, gaps) for m in shape.members}
            drawn = st.fixed_dictionaries({}, optional=members)
            return drawn if gaps or not members else drawn.filter(bool)
        case Listing():
            items = values(shape.element, gaps)
            listed = st.lists(items | st.none() if gaps else items, max_size=4)
            return listed.map(_without_nulls_at_the_end)
        case Mapped():
            return st.dictionaries(st.sampled_from(WORDS), values(shape.value, gaps), min_size=not gaps, max_size=2)
        case Scalar(kind="boolean"):
            return st.booleans()
        case Scalar(kind="integer"):
            return st.sampled_from([1, 0, 50, 3600, 10**6, -7, 2**31, -(2**31) - 1])
        case Scalar():
            return st.sampled_from([*WORDS, *(shape.enum or ())]) | st.text(max_size=5)


def _without_nulls_at_the_end(items: list[Any]) -> list[Any]:
    """A form cannot say that a list goes on with nulls."""
    while items and items[-1] is None:
        items.pop()
    return items


def fields_of(shape: Shape, value: Any, name: str) -> dict[str, str]:
    """The value as botocore would put it into a form."""
    match shape:
        case Structure() if value:
            members = {m.wire: m.shape for m in shape.members}
            parts = [fields_of(members[key], item, f"{name}.{key}") for key, item in value.items()]
        case Listing() if value:
            items = [(n, item) for n, item in enumerate(value, 1) if item is not None]
            parts = [fields_of(shape.element, item, f"{name}.{shape.tag}.{n}") for n, item in items]
        case Mapped() if value:
            parts = [
                {f"{name}.entry.{n}.key": key} | fields_of(shape.value, item, f"{name}.entry.{n}.value")
                for n, (key, item) in enumerate(value.items(), 1)
            ]
        case _:
            return {name: str(value).lower() if isinstance(value, bool) else str(value or _nothing(value))}
    return {key: text for part in parts for key, text in part.items()}


def form_of(structure: Structure, body: Mapping[str, Any]) -> dict[str, str]:
    sent: dict[str, str] = {}
    for member in structure.members:
        if member.wire in body:
            sent |= fields_of(member.shape, body[member.wire], member.wire)
    return sent


def _nothing(value: Any) -> str:
    return "0" if isinstance(value, int) else ""


def outcome(read: Callable[[], dict[str, Any]]) -> Any:
    try:
        return read()
    except IamError as refusal:
        return type(refusal), refusal.message


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_form_and_json_with_the_same_values_have_the_same_outcome(data: st.DataObject) -> None:
    """Whichever it is: the same fields, or the same refusal in the same words."""
    operation = OPERATIONS[data.draw(st.sampled_from([*OPERATIONS]))]
    structure = operation.input or Structure("", ())
    body = data.draw(values(structure))
    sent = urlencode(form_of(structure, body), quote_via=quote)
    in_form = outcome(lambda: from_form(operation, read_form(sent)))
    in_json = outcome(lambda: from_json(operation, read_json(msgspec.json.encode(body))))
    assert in_form == in_json


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_forms_of_botocore_are_the_forms_of_these_tests(data: st.DataObject) -> None:
    """What boto3 would send for a value is what the comparison with JSON sends."""
    operation = OPERATIONS[data.draw(st.sampled_from([*OPERATIONS]))]
    structure = operation.input or Structure("", ())
    body = data.draw(values(structure, gaps=False))
    model = MODELS[operation.service.name].operation_model(operation.name)
    request = create_serializer("query", include_validation=False).serialize_to_request(body, model)["body"]
    sent = {key: str(value) for key, value in request.items() if key not in ("Action", "Version")}
    assert sent == form_of(structure, body)


def parsed(operation: Operation, read: Callable[[], Mapping[str, Any]]) -> None:
    """Reading either succeeds with acceptable values or is refused by name; nothing else may escape."""
    try:
        fields = read()
    except IamError:
        return
    assert operation.input is None or acceptable(operation.input)(fields)


@settings(deadline=None)
@given(st.binary(), st.sampled_from([*OPERATIONS]))
@example(b"%", "iam:GetUser")
def test_garbage_is_only_ever_refused(body: bytes, name: str) -> None:
    """No bytes can make reading fail in any way but a refusal."""
    operation = OPERATIONS[name]
    parsed(operation, lambda: from_form(operation, read_form(body)))
    parsed(operation, lambda: from_json(operation, read_json(body)))


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_hostile_names_are_only_ever_refused(data: st.DataObject) -> None:
    """Names made of every piece that names are made of, in any order."""
    operation = OPERATIONS[data.draw(st.sampled_from(TAKING))]
    assert operation.input is not None
    pieces = ["member", "entry", "key", "value", "1", "01", "2", "0", "-1", "x", "", "Key", "Value"]
    rest = st.lists(st.sampled_from(pieces), max_size=5)
    first = st.sampled_from([member.wire for member in operation.input.members])
    name = st.builds(lambda head, tail: ".".join([head, *tail]), first, rest)
    sent = data.draw(st.dictionaries(name, st.sampled_from(["", "a", "1", "true"]), max_size=6))
    parsed(operation, lambda: from_form(operation, sent))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_json_of_any_types_is_only_ever_refused(data: st.DataObject) -> None:
    """Every member may have a value of any JSON type."""
    operation = OPERATIONS[data.draw(st.sampled_from([*OPERATIONS]))]
    members = operation.input.members if operation.input else ()
    leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    keys = st.sampled_from(["Key", "Value", "UserName", "x"])
    anything = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=6)
    body = data.draw(st.fixed_dictionaries({}, optional={m.wire: anything for m in members}))
    parsed(operation, lambda: from_json(operation, read_json(json.dumps(body).encode())))


def test_a_name_without_end_costs_little() -> None:
    """Names are cut far below any shape's depth; what is unknown is ignored, as elsewhere."""
    sent = {"Tags" + ".member.1" * 100_000: "x"}
    assert refused(ValidationError, lambda: form("TagUser", UserName="u", **sent))


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=5))
@example({"a": "=\r\n \t_.%+ÿ😀=3D"})
def test_a_form_reads_back_whatever_was_written_into_it(fields: dict[str, str]) -> None:
    """Escapes, plus signs, equals signs and line breaks are decoded as every form encoder writes them."""
    assert read_form(urlencode(fields).encode()) == fields
    assert read_form(urlencode(fields, quote_via=quote).encode()) == fields
