"""The contract: OpenAPI 3.1 in its own right, every example by its schema, and what it says of problems.

Debian has the public schema of OpenAPI 3.0 (package openapi-specification), and none of 3.1. So the document is held against that
one without what 3.1 added; Schema Objects, which are JSON Schema in 3.1, against theirs; and the rules that no schema knows are
written here, from the specification's text (https://spec.openapis.org/oas/v3.1.0, the section is named with each)."""
import copy
import json
import re
from pathlib import Path

import jsonschema
import pytest
from support.contract import CONTRACT, resolve, unnamed_members
from support.program import REPOSITORY

PUBLIC_SCHEMA = Path("/usr/share/openapi-specification/schemas/v3.0/schema.json")
METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
ROLES = {"poller", "query", "consent-admin", "any", "everybody"}


def operations():
    for path, item in CONTRACT["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


OPERATIONS = dict(operations())


def schema_validator(schema):
    # The components go along, so that references inside of schemas are found.
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **resolve(schema),
             "components": CONTRACT["components"]}
    return jsonschema.Draft202012Validator(whole, format_checker=jsonschema.FormatChecker())


def media_of(operation):
    """(where, Media Type Object) of an operation: its body and its answers."""
    if "requestBody" in operation:
        for media in resolve(operation["requestBody"])["content"].values():
            yield "request", media
    for status, response in operation["responses"].items():
        for media in resolve(response).get("content", {}).values():
            yield status, media


def faults_by_the_public_schema(document):
    """Of a document of 3.1, without what is new in it: the dialect, a summary, SPDX, mutualTLS; and JSON Schema."""
    schema = json.loads(PUBLIC_SCHEMA.read_text())
    schema["definitions"]["Schema"] = {"not": {"required": ["$ref"]}}
    document = copy.deepcopy(document)
    document["openapi"] = "3.0.3"
    del document["jsonSchemaDialect"], document["info"]["summary"], document["info"]["license"]["identifier"]
    assert document["components"]["securitySchemes"].pop("clientCertificate")["type"] == "mutualTLS"
    return [f"{list(one.absolute_path)}: {one.message}" for one in jsonschema.Draft4Validator(schema).iter_errors(document)]


def test_the_public_schema_finds_no_fault():
    assert faults_by_the_public_schema(CONTRACT) == []


@pytest.mark.parametrize("spoil", [
    lambda document: document["paths"]["/v1/changes"]["get"].pop("responses"),
    lambda document: document["paths"]["/v1/changes"]["get"].update(parameter=[]),
    lambda document: document["paths"].update({"v1": {}}),
    lambda document: document["components"]["parameters"]["Idempotency-Key"].update({"in": "body"}),
    lambda document: document["components"]["responses"]["NotFound"].pop("description"),
    lambda document: document["components"]["headers"]["X-Request-Id"].update(name="X-Request-Id"),
])
def test_the_public_schema_would_find_faults(spoil):
    document = copy.deepcopy(CONTRACT)
    spoil(document)
    assert faults_by_the_public_schema(document) != []


def test_the_root_is_an_openapi_object():  # 4.8.1
    assert re.fullmatch(r"3\.1\.\d+", CONTRACT["openapi"])
    assert {"title", "version"} <= CONTRACT["info"].keys()
    known = {"openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security", "tags",
             "externalDocs"}
    assert CONTRACT.keys() <= known
    assert all(server["url"].startswith("https://") for server in CONTRACT["servers"])


def test_every_reference_leads_somewhere_and_every_component_is_used():
    text = json.dumps(CONTRACT)
    references = set(re.findall(r'"\$ref": "([^"]+)"', text))
    for reference in references:
        assert resolve({"$ref": reference}) is not None
    for kind, components in CONTRACT["components"].items():
        for name in components:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", name)  # 4.8.7
            used = f"#/components/{kind}/{name}" in references or kind == "securitySchemes"
            assert used or name == "ConsentDocument", f"{kind} {name} is not used"


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_whole(name):  # 4.8.10
    operation = OPERATIONS[name]
    method, path = name.split(" ")
    assert method.lower() in METHODS and path.startswith("/")
    assert {"operationId", "summary", "tags", "parameters", "responses", "security"} <= operation.keys()
    assert operation["x-role"] in ROLES
    assert set(operation["tags"]) <= {tag["name"] for tag in CONTRACT["tags"]}
    for need in operation["security"]:  # 4.8.30
        assert need.keys() <= CONTRACT["components"]["securitySchemes"].keys()
    parameters = [resolve(one) for one in operation["parameters"]]
    assert len({(one["name"], one["in"]) for one in parameters}) == len(parameters)  # 4.8.12
    assert {one["name"] for one in parameters if one["in"] == "path"} == set(re.findall(r"\{(\w+)\}", path))
    for one in parameters:
        assert one["in"] in {"path", "query", "header", "cookie"}
        assert one["required"] is True or one["in"] != "path"
        assert one["description" if one["in"] != "path" else "name"]
        schema_validator(one["schema"]).validate(one["example"])
    # A POST can be told from its retry.
    key = [one for one in parameters if one["name"] == "Idempotency-Key"]
    assert len(key) == (1 if method == "POST" else 0)
    assert ("requestBody" in operation) == (method in ("POST", "PUT"))


@pytest.mark.parametrize("name", CONTRACT["components"]["schemas"])
def test_a_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(CONTRACT["components"]["schemas"][name])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_example_is_what_its_schema_says(name):
    for where, media in media_of(OPERATIONS[name]):
        assert media["examples"], f"{name} {where} has no example"
        validator = schema_validator(media["schema"])
        for label, example in media["examples"].items():
            faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(resolve(example)["value"])]
            assert faults == [], f"{name} {where} {label}"


@pytest.mark.parametrize("name", OPERATIONS)
def test_answers_are_described_with_their_headers(name):  # 4.8.16, 4.8.17
    responses = OPERATIONS[name]["responses"]
    assert any(status.startswith("2") for status in responses)
    assert {"400", "429", "500", "503"} <= responses.keys()
    for status, response in responses.items():
        response = resolve(response)
        assert re.fullmatch(r"[1-5]\d\d", status) and response["description"]
        assert {"X-Request-Id", "RateLimit", "RateLimit-Policy"} <= response["headers"].keys()
        if int(status) >= 400:
            assert response["content"].keys() == {"application/problem+json"}
        for header in map(resolve, response["headers"].values()):
            schema_validator(header["schema"]).validate(header["example"])


def test_examples_of_problems_have_the_status_that_they_are_shown_with():
    for name, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            if int(status) < 400:
                continue
            for code, example in resolve(response)["content"]["application/problem+json"]["examples"].items():
                problem = resolve(example)["value"]
                assert (problem["code"], problem["status"]) == (code, int(status)), name
                assert problem["type"].endswith(f"/problems/{code}")


def test_requests_are_closed_and_answers_are_open():
    """An unknown member of a request is refused; of an answer it must be ignored."""
    def objects(schema, seen):
        schema = resolve(schema)
        if id(schema) in seen or not isinstance(schema, dict):
            return
        seen.add(id(schema))
        if "properties" in schema:
            yield schema
        for key in ("properties", "$defs"):
            for part in schema.get(key, {}).values():
                yield from objects(part, seen)
        for key in ("oneOf", "anyOf", "allOf"):
            for part in schema.get(key, []):
                yield from objects(part, seen)
        if isinstance(schema.get("items"), dict):
            yield from objects(schema["items"], seen)
    for name, operation in OPERATIONS.items():
        for where, media in media_of(operation):
            for schema in objects(media["schema"], set()):
                if where == "request":
                    assert schema.get("additionalProperties") is False, f"{name}: {sorted(schema['properties'])}"
                elif "notice" not in name and schema is not CONTRACT["components"]["schemas"]["Notice"]:
                    assert schema.get("additionalProperties") is not False, f"{name}: {sorted(schema['properties'])}"


def test_what_an_answer_says_beyond_the_contract_is_found():
    """It is asked of every answer that support.platform.Client gets."""
    consent = {"consent_id": "cns_", "notice": {"version": "1", "sha256": "", "colour": "red"}, "token": "t"}
    assert unnamed_members("GET", "/v1/consents/cns_a", 200, consent) == ["/notice/colour", "/token"]
    assert unnamed_members("POST", "/v1/consents", 201, consent) == ["/notice/colour"]
    page = {"items": [{"id": "chg_", "status": {"reason": "superseded", "by": "x"}}], "next": 1}
    assert unnamed_members("GET", "/v1/changes?limit=1", 200, page) == ["/items/0/status/by", "/next"]
    assert unnamed_members("GET", "/nowhere", 404, {"code": "not-found", "why": ""}) == ["/why"]


def test_the_kinds_of_changes_and_states_are_those_of_the_contract():
    """Written down here once more: whoever renames one breaks the programs of institutions."""
    schemas = CONTRACT["components"]["schemas"]
    assert schemas["ConsentStatus"]["enum"] == ["pending", "active", "withdrawn", "expired", "superseded", "rejected"]
    for kind in ("certificate.revoked", "subject.update_available", "consent.superseded", "token.reissue_needed",
                 "status.stale"):
        assert kind in schemas["Change"]["properties"]["type"]["description"]


def test_the_file_is_one_that_people_can_read():
    lines = (Path(REPOSITORY) / "server/api/openapi.json").read_text().splitlines()
    assert max(map(len, lines)) < 700
