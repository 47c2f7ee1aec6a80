"""`/openapi.json`: the routes as OpenAPI 3.1, out of the same tables that they work with."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from inspect import cleandoc
from typing import Any, Final

import msgspec

from api import actions, aws
from api.answers import JSON, REQUEST_ID, XML
from api.body import BODY_BYTES_MAX
from api.errors import RETRY_AFTER_SECONDS, STATUS, upper_snake
from api.model import POLICY_DOCUMENT, Listing, Mapped, Operation, Scalar, Shape, Structure
from api.routes import Parameter, Route
from iam.errors import IamError, ServiceUnavailable

_REFERENCE: Final = "#/components/schemas/{name}"
_ABOUT: Final = (
    "IAM state that never forgets. `POST /` is AWS's IAM API, here in JSON; AWS clients speak its Query protocol. "
    "`/at/{instant}/` is the same as of any past instant, read-only. What lies under `/v1` is ours: history, audit, "
    "and putting things back. docs/api.md tells the same for people, and docs/audit.md shows it at work.\n\n"
    "Answers come in one envelope: `success`, and then `data` or `error`. The account is the caller's. Parameters that "
    "are not described here are refused."
)
_KEY: Final = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": "A signature as AWS clients make it. It is not checked; the access key id in it names the account.",
}
_HEADERS: Final = {
    str(REQUEST_ID): {
        "description": "The id of this request; the record of a write has it too.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    "Retry-After": {
        "description": "In how many seconds to ask again.",
        "required": True,
        "schema": {"type": "integer", "const": RETRY_AFTER_SECONDS},
    },
    "x-iam-ledger-position": {
        "description": "The position of the record up to which the answer tells, where it is not in the envelope.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "x-iam-ledger-instant": {
        "description": "The instant that the answer is of, where it is not in the envelope.",
        "schema": {"type": "string", "format": "date-time"},
    },
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The routes, described. The schemas of what they take and answer are those of the types themselves."""
    routes = list(routes)
    types = list(dict.fromkeys(type_ for route in routes for type_ in _types(route)))
    found, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schemas = dict(zip(types, found, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "iam-ledger", "version": version("iam-ledger"), "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{}, {"accessKey": []}],
        "paths": paths,
        "components": {
            "schemas": {**_cleaned(components), **{operation.name: _call(operation) for operation in _operations()}},
            "headers": _HEADERS,
            "securitySchemes": {"accessKey": _KEY},
        },
    }


def _types(route: Route) -> Iterable[Any]:
    yield from route.data
    if route.body is not None:
        yield route.body
    if route.table is not None:
        yield route.table.row


def _operation(route: Route, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    about = re.sub(r"\[(.+?)\]\((.+?)\)", r"\1 (docs/\2)", route.about)
    told: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{route.path}").strip("_"),
        "summary": re.split(r"[.:;] ", about)[0].rstrip("."),
        "description": about,
        "parameters": [_parameter(parameter) for parameter in route.parameters],
        "responses": {"200": _answer(route, schemas), **_refusals(route)},
    }
    if route is aws.PRESENT:
        told["responses"]["302"] = _response("A form that names no action is sent on to AWS's page about IAM.", {})
    if route.body is not None:
        told["requestBody"] = {"required": True, "content": {JSON: {"schema": schemas[route.body]}}}
    elif route.method == "POST":
        told["requestBody"] = {
            "required": True,
            "description": f"An action of AWS's, with its parameters, in at most {BODY_BYTES_MAX:,} bytes.",
            "content": {JSON: {"schema": _any_call()}, aws.FORM: {"schema": _FORM}},
        }
    return told


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "minLength": 1}
    if parameter.largest is not None:
        schema = {"type": "integer", "minimum": 1, "maximum": parameter.largest}
    elif parameter.words:
        schema = {"type": "string", "enum": list(parameter.words)}
    elif parameter.pattern is not None:
        schema = {"type": "string", "pattern": f"^({parameter.pattern})$"}
    if parameter.default is not None:
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": f"{parameter.meaning[0].upper()}{parameter.meaning[1:]}.",
        "schema": schema,
    }


def _answer(route: Route, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    if route.data:
        data = [schemas[type_] for type_ in route.data]
        content[JSON] = {"schema": _envelope(True, "data", data[0] if len(data) == 1 else {"anyOf": data})}
    if route.table is not None:
        header = ",".join(route.table.columns)
        content["text/csv"] = {"schema": {"type": "string", "pattern": f"^{header}(\r\n|$)"}}
        content["application/x-ndjson"] = {
            "schema": {"type": "array", "items": schemas[route.table.row], "description": "One on each line."}
        }
    if route.other is not None:
        content[route.other] = {"schema": {"type": "object" if route.other == JSON else "string"}}
    headers = ["x-iam-ledger-position", "x-iam-ledger-instant"] if route.table or route is aws.PAST else []
    return _response("The answer.", content, *headers)


def _refusals(route: Route) -> dict[str, Any]:
    """The refusals of a route, by HTTP status."""
    by_status: dict[int, list[type[IamError]]] = {}
    for error in route.refusals:
        by_status.setdefault(STATUS[error], []).append(error)
    return {str(status): _refusal(route, by_status[status]) for status in sorted(by_status)}


def _refusal(route: Route, errors: Sequence[type[IamError]]) -> dict[str, Any]:
    codes = [upper_snake(error.code) for error in errors]
    error = {
        "type": "object",
        "properties": {"code": {"type": "string", "enum": codes}, "message": {"type": "string"}},
        "required": ["code", "message"],
    }
    content: dict[str, Any] = {JSON: {"schema": _envelope(False, "error", error)}}
    if route.other == XML:
        content[XML] = {"schema": {"type": "string"}}
    meanings = "\n".join(
        f"- `{code}`: {' '.join((error.__doc__ or '').split())}" for code, error in zip(codes, errors, strict=True)
    )
    return _response(meanings, content, *(["Retry-After"] if ServiceUnavailable in errors else []))


def _response(about: str, content: Mapping[str, Any], *headers: str) -> dict[str, Any]:
    named = {name: {"$ref": f"#/components/headers/{name}"} for name in (str(REQUEST_ID), *headers)}
    return {"description": about, "headers": named, **({"content": content} if content else {})}


def _envelope(success: bool, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"success": {"type": "boolean", "const": success}, name: schema},
        "required": ["success", name],
    }


def _cleaned(components: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas of types, their docstrings without indentation."""
    return {
        name: {**schema, **({"description": cleandoc(schema["description"])} if "description" in schema else {})}
        for name, schema in components.items()
    }


# AWS's actions


def _operations() -> list[Operation]:
    return [*(aws.IAM.operations[name] for name in actions.IAM), aws.STS.operations["GetCallerIdentity"]]


def _any_call() -> dict[str, Any]:
    names = {operation.name: _REFERENCE.format(name=operation.name) for operation in _operations()}
    return {
        "oneOf": [{"$ref": reference} for reference in names.values()],
        "discriminator": {"propertyName": "Action", "mapping": names},
    }


def _call(operation: Operation) -> dict[str, Any]:
    """An action with its parameters as a JSON object, by AWS's own model."""
    members = operation.input.members if operation.input is not None else ()
    return {
        "type": "object",
        "properties": {
            "Action": {"type": "string", "const": operation.name},
            "Version": {"type": "string", "const": operation.service.version},
            **{member.wire: _shape(member.shape) for member in members},
        },
        "required": ["Action", *(member.wire for member in members if member.required)],
    }


def _shape(shape: Shape) -> dict[str, Any]:
    match shape:
        case Listing():
            items = _shape(shape.element)
            return _bounded({"type": "array", "items": items}, shape.minimum, shape.maximum, "Items")
        case Structure():
            return {
                "type": "object",
                "properties": {member.wire: _shape(member.shape) for member in shape.members},
                "required": [member.wire for member in shape.members if member.required],
            }
        case Mapped():
            return {"type": "object", "additionalProperties": _shape(shape.value)}
        case Scalar(kind="boolean"):
            return {"type": "boolean"}
        case Scalar(kind="integer"):
            return _bounded({"type": "integer"}, shape.minimum, shape.maximum, "imum")
        case Scalar():
            return _text(shape)


def _text(scalar: Scalar) -> dict[str, Any]:
    schema = _bounded({"type": "string"}, scalar.minimum, scalar.maximum, "Length")
    if scalar.enum is not None:
        schema["enum"] = list(scalar.enum)
    if scalar.pattern is not None and r"\p" not in scalar.pattern:  # which not every reader of patterns knows
        schema["pattern"] = f"^({scalar.pattern})$"
    return {"anyOf": [schema, {"type": "object"}]} if scalar.name == POLICY_DOCUMENT else schema


def _bounded(schema: dict[str, Any], minimum: int | None, maximum: int | None, unit: str) -> dict[str, Any]:
    bounds = {f"min{unit}": minimum, f"max{unit}": maximum}
    return {**schema, **{name: bound for name, bound in bounds.items() if bound is not None}}


_FORM: Final = {
    "type": "object",
    "description": "AWS's Query protocol: a list is spelled `Tags.member.1.Key`.",
    "properties": {
        "Action": {"type": "string", "enum": [operation.name for operation in _operations()]},
        "Version": {"type": "string", "enum": [aws.IAM.version, aws.STS.version]},
    },
    "required": ["Action", "Version"],
    "additionalProperties": {"type": "string"},
}
