"""The description of the API: what it says of an answer is what the answer is."""

import asyncio
import re

import httpx
import pytest

from fleet.hub import views
from fleet.hub.web.openapi import PATH
from tests.fixtures.hub_monitor import served

TYPES = {
    "null": type(None),
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}
PATHS = {
    "/api/v1/site": "/api/v1/site",
    "/api/v1/hub": "/api/v1/hub",
    "/api/v1/pipelines": "/api/v1/pipelines",
    "/api/v1/pipelines/{name}": "/api/v1/pipelines/detector",
    "/api/v1/pipelines/{name}/series": "/api/v1/pipelines/detector/series?seconds=60",
    "/api/v1/devices": "/api/v1/devices?state=ok",
    "/api/v1/devices/{name}": "/api/v1/devices/pi2",
    "/api/v1/devices/{name}/series": "/api/v1/devices/pi2/series",
    "/api/v1/devices/{name}/telemetry": "/api/v1/devices/pi2/telemetry?kind=health",
}


@pytest.fixture(scope="module")
def answers():
    """Return the document, and answers by path."""

    async def ask():
        async with served() as (_, _, url), httpx.AsyncClient(base_url=url) as client:
            found = {path: await client.get(asked) for path, asked in PATHS.items()}
            found["unknown"] = await client.get("/api/v1/devices/nobody")
            found["refused"] = await client.get("/api/v1/devices?limit=0")
            return (await client.get(PATH)).json(), found

    return asyncio.run(ask())


def wrong(value, schema, document, at="$"):
    """Yield what of a value is not as its schema says: the part of JSON Schema that we use."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "oneOf" in schema:
        if sum(not list(wrong(value, one, document)) for one in schema["oneOf"]) != 1:
            yield f"{at}: fits not exactly one of {schema['oneOf']}"
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = [k for k in kinds if isinstance(value, TYPES[k])]
    if isinstance(value, bool):
        fits = [k for k in fits if k == "boolean"]
    if kinds and not fits:
        yield f"{at}: {value!r} is no {kinds}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if isinstance(value, list):
        items = schema.get("items") or {}
        prefix = schema.get("prefixItems", [])
        for number, item in enumerate(value):
            one = prefix[number] if number < len(prefix) else items
            yield from wrong(item, one, document, f"{at}[{number}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        yield from (
            f"{at}.{name} is missing" for name in schema.get("required", ()) if name not in value
        )
        for name, item in value.items():
            more = schema.get("additionalProperties", False)
            if name not in properties and more is False:
                yield f"{at}.{name} is not described"
            further = more if isinstance(more, dict) else {}
            yield from wrong(item, properties.get(name, further), document, f"{at}.{name}")


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_is_as_described(path, answers):
    """Each of them, down to the last field."""
    document, found = answers
    described = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]

    assert found[path].status_code == 200
    assert list(wrong(found[path].json(), described["schema"], document)) == []


def test_a_refusal_is_as_described(answers):
    """Unknown names and values that cannot be used."""
    document, found = answers
    device = document["paths"]["/api/v1/devices/{name}"]["get"]["responses"]["404"]
    devices = document["paths"]["/api/v1/devices"]["get"]["responses"]["400"]

    for answer, said in ((found["unknown"], device), (found["refused"], devices)):
        schema = said["content"]["application/json"]["schema"]
        assert list(wrong(answer.json(), schema, document)) == []


def test_the_check_sees_what_is_wrong(answers):
    """A field of another type, one too many, one too few."""
    document, found = answers
    schema = {"$ref": "#/components/schemas/HubView"}
    right = found["/api/v1/hub"].json()

    assert list(wrong(right, schema, document)) == []
    assert list(wrong({**right, "connected": "yes"}, schema, document))
    assert list(wrong({k: v for k, v in right.items() if k != "broker"}, schema, document))


def test_everything_is_described_in_words(answers):
    """Each path, each type of the views, and each field that has a docstring."""
    document, _ = answers
    schemas = document["components"]["schemas"]

    assert document["openapi"].startswith("3.1")
    assert {*PATHS, "/api/v1/events"} == set(document["paths"])
    assert [p for p, item in document["paths"].items() if not item["get"].get("description")] == []
    ours = {name for name in schemas if hasattr(views, name)}
    assert {"SiteView", "DeviceView", "StageView", "Span"} <= ours
    assert [name for name in schemas if not schemas[name].get("description")] == []
    told = schemas["StageView"]["properties"]["utilisation_ratio"]["description"]
    assert told.startswith("Share of the time")
    assert schemas["AccountView"]["examples"][0]["submitted"] == 1003


def test_examples_are_as_described(answers):
    """Also those are read by people and programs."""
    document, _ = answers
    for name, schema in document["components"]["schemas"].items():
        for example in schema.get("examples", ()):
            assert list(wrong(example, schema, document)) == [], name


def test_nothing_in_it_leads_to_another_host(answers):
    """No page that loads its scripts from elsewhere; the document names no address."""
    document, _ = answers

    assert re.findall(r"https?://", str(document)) == []
