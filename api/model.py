"""AWS's own service model, compiled into plain tables.

botocore ships the model as a data file; this reads that file once, skips its documentation, and compiles
the shapes of an operation when the operation is first used. Nothing here knows HTTP, and nothing walks
botocore's objects while a request waits.
"""

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Literal, TypeAlias

import msgspec
from botocore import xform_name

Kind: TypeAlias = Literal["string", "integer", "boolean", "timestamp", "blob"]
KINDS: Mapping[str, Kind] = {
    "string": "string",
    "integer": "integer",
    "boolean": "boolean",
    "timestamp": "timestamp",
    "blob": "blob",
}
POLICY_DOCUMENT = "policyDocumentType"
"""The shape of every IAM policy document, whatever the member is called."""


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """One value without parts. Bounds are of the length in characters, or of the number itself."""

    name: str
    kind: Kind
    minimum: int | None
    maximum: int | None
    pattern: str | None
    matches: Callable[[str], object] | None
    enum: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """A list; on the wire each element sits in an element called `tag`, unless the list is flattened."""

    name: str
    element: "Shape"
    tag: str
    flattened: bool
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Mapped:
    """A map with string keys."""

    name: str
    key: Scalar
    value: "Shape"
    key_tag: str
    value_tag: str
    flattened: bool
    minimum: int | None
    maximum: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One member of a structure, under each of its names.

    `name` is the model's (`UserName`), `wire` what travels (nearly always the same), `path` what AWS prints
    in validation errors (`userName`, `clientIDList`), `field` what Python code calls it (`user_name`).
    """

    name: str
    wire: str
    path: str
    field: str
    required: bool
    shape: "Shape"


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Named members, in the model's order."""

    name: str
    members: tuple[Member, ...]


Shape: TypeAlias = Scalar | Listing | Mapped | Structure


@dataclass(frozen=True, eq=False)
class Operation:
    """One action of a service. Its shapes are compiled on first use and kept."""

    name: str
    service: "Service"
    result_wrapper: str | None
    _input: str | None
    _output: str | None
    _shapes: "_Shapes"

    def __repr__(self) -> str:
        return f"<operation {self.service.name}:{self.name}>"

    @cached_property
    def input(self) -> Structure | None:
        """The parameters, or None for an action that takes none."""
        return self._shapes.structure(self._input) if self._input is not None else None

    @cached_property
    def output(self) -> Structure | None:
        """The result, or None for an action that answers with its request id only."""
        return self._shapes.structure(self._output) if self._output is not None else None


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One service in one version; `namespace` is the xmlns of its replies."""

    name: str
    version: str
    namespace: str
    operations: Mapping[str, Operation]

    def __repr__(self) -> str:
        return f"<service {self.name} {self.version}>"


@cache
def load(service: str, version: str) -> Service:
    """The service's model as botocore has it, or FileNotFoundError if botocore lacks that version."""
    packed = files("botocore").joinpath("data", service, version, "service-2.json.gz").read_bytes()
    model = msgspec.json.decode(gzip.decompress(packed), type=_Model)
    shapes = _Shapes(model.shapes)
    operations: dict[str, Operation] = {}
    loaded = Service(service, version, model.metadata.xml_namespace, operations)
    for name, spec in model.operations.items():
        wrapper = spec.output.result_wrapper if spec.output else None
        takes = spec.input.shape if spec.input else None
        gives = spec.output.shape if spec.output else None
        operations[name] = Operation(name, loaded, wrapper, takes, gives, shapes)
    return loaded


_SEPARATORS = "\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"  # all of category Z
_LETTERS_SPACES_NUMBERS = r"\p{L}\p{Z}\p{N}_"


def translate(pattern: str) -> re.Pattern[str]:
    r"""A Java regular expression of the model as a Python one, to be used with `fullmatch`.

    Java's `\w` and `\d` mean ASCII, as Python's do under re.ASCII. Java's `\p{L}\p{Z}\p{N}_` (letters,
    separators, numbers of any script) has no ASCII twin: it becomes Python's Unicode `\w`, which is exactly
    letters, numbers and the underscore, with the separators listed. ValueError for any other `\p` class.
    """
    if r"\p" not in pattern:
        return re.compile(pattern, re.ASCII)
    unicode = pattern.replace(_LETTERS_SPACES_NUMBERS, r"\w" + _SEPARATORS)
    if r"\p" in unicode or r"\w" in pattern or r"\d" in pattern:
        raise ValueError(f"no Python spelling is known for the pattern {pattern}")
    return re.compile(unicode)


class _Ref(msgspec.Struct, frozen=True, rename="camel"):
    """A use of a shape, with the name it goes by there."""

    shape: str
    location_name: str | None = None
    result_wrapper: str | None = None


class _Spec(msgspec.Struct, frozen=True, rename="camel"):
    """A shape as the model writes it."""

    type: str
    members: dict[str, _Ref] = {}
    required: list[str] = []
    member: _Ref | None = None
    key: _Ref | None = None
    value: _Ref | None = None
    flattened: bool = False
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    enum: list[str] | None = None


class _OperationSpec(msgspec.Struct, frozen=True):
    """An operation as the model writes it."""

    input: _Ref | None = None
    output: _Ref | None = None


class _Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """What the model says about the service as a whole."""

    xml_namespace: str


class _Model(msgspec.Struct, frozen=True):
    """The data file, without its documentation."""

    metadata: _Metadata
    operations: dict[str, _OperationSpec]
    shapes: dict[str, _Spec]


class _Shapes:
    """Compiles each shape of a service at most once, when it is first asked for."""

    def __init__(self, specs: Mapping[str, _Spec]) -> None:
        self._specs = specs
        self._compiled: dict[str, Shape] = {}

    def structure(self, name: str) -> Structure:
        shape = self._shape(name)
        if not isinstance(shape, Structure):
            raise ValueError(f"{name} is not a structure")
        return shape

    def _shape(self, name: str) -> Shape:
        shape = self._compiled.get(name)
        if shape is None:
            shape = self._compiled[name] = self._compile(name, self._specs[name])
        return shape

    def _compile(self, name: str, spec: _Spec) -> Shape:
        if spec.type == "structure":
            return Structure(name, tuple(self._member(spec, key, ref) for key, ref in spec.members.items()))
        if spec.type == "list" and spec.member is not None:
            element, tag = self._shape(spec.member.shape), spec.member.location_name or "member"
            return Listing(name, element, tag, spec.flattened, spec.min, spec.max)
        if spec.type == "map" and spec.key is not None and spec.value is not None:
            key, value = self._scalar(spec.key.shape), self._shape(spec.value.shape)
            tags = spec.key.location_name or "key", spec.value.location_name or "value"
            return Mapped(name, key, value, *tags, spec.flattened, spec.min, spec.max)
        return self._scalar(name)

    def _scalar(self, name: str) -> Scalar:
        spec = self._specs[name]
        if spec.type not in KINDS:
            raise ValueError(f"{name} is of the type {spec.type}, which no operation had before")
        matches = translate(spec.pattern).fullmatch if spec.pattern is not None else None
        enum = tuple(spec.enum) if spec.enum is not None else None
        return Scalar(name, KINDS[spec.type], spec.min, spec.max, spec.pattern, matches, enum)

    def _member(self, owner: _Spec, name: str, ref: _Ref) -> Member:
        path, required = name[0].lower() + name[1:], name in owner.required
        return Member(name, ref.location_name or name, path, xform_name(name), required, self._shape(ref.shape))
