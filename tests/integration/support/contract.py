"""The contract, server/api/openapi.json: what stands behind its references, and whether an answer says more than it names."""
import json
import re

from .program import REPOSITORY

CONTRACT = json.loads((REPOSITORY / "server/api/openapi.json").read_text())


def resolve(part):
    """What a Reference Object (OpenAPI 3.1, 4.8.23) stands for."""
    while isinstance(part, dict) and set(part) == {"$ref"}:
        found = CONTRACT
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name.replace("~1", "/").replace("~0", "~")]
        part = found
    return part


PATHS = [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), item) for path, item in CONTRACT["paths"].items()]


def alternatives(schema):
    """A schema and all that it is put together from."""
    schema = resolve(schema)
    yield schema
    for how in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(how, []):
            yield from alternatives(part)


def unnamed(schemas, value, pointer=""):
    """Members of `value` that none of the schemas names, as JSON pointers."""
    every = [one for schema in schemas for one in alternatives(schema)]
    if isinstance(value, list):
        items = [one["items"] for one in every if "items" in one]
        for place, item in enumerate(value):
            yield from unnamed(items, item, f"{pointer}/{place}")
    if not isinstance(value, dict) or not any("properties" in one or "additionalProperties" in one for one in every):
        return  # an object of which nothing is said may have anything
    for name, member in value.items():
        named = [one["properties"][name] for one in every if name in one.get("properties", {})]
        named += [one["additionalProperties"] for one in every if isinstance(one.get("additionalProperties"), dict)]
        named += [part for one in every for pattern, part in one.get("patternProperties", {}).items() if re.search(pattern, name)]
        if named:
            yield from unnamed(named, member, f"{pointer}/{name}")
        else:
            yield f"{pointer}/{name}"


def unnamed_members(method, target, status, body):
    """Of a whole answer. A problem's are those of Problem, wherever it comes from."""
    path = target.partition("?")[0]
    item = next((item for pattern, item in PATHS if pattern.fullmatch(path)), {})
    responses = item.get(method.lower(), {}).get("responses", {})
    if status >= 400:
        return list(unnamed([{"$ref": "#/components/schemas/Problem"}], body))
    media = resolve(responses[str(status)]).get("content", {}).get("application/json")
    return list(unnamed([media["schema"]], body)) if media else []
