"""What is generated from the models: the reference page and the schema."""

from __future__ import annotations

from pathlib import Path

from proxyconf.proxies.registry import names
from proxyconf.spec.fields import Model
from proxyconf.spec.root import Spec
from proxyconf.spec.schema import schema
from proxyconf.verbs.reference import page

REPOSITORY = Path(__file__).resolve().parents[4]


def test_the_page_has_not_drifted() -> None:
    assert (REPOSITORY / "docs/reference/site-spec.md").read_text() == page(), "run: proxyconf schema --docs"


def test_every_key_has_a_sentence() -> None:
    for model in Model.__subclasses__():
        for name, field in model.model_fields.items():
            assert (field.description or "").endswith("."), f"{model.__name__}.{name}"


def test_defaults_in_the_schema_are_written_as_in_a_site_file() -> None:
    made = schema(names())
    assert made["$defs"]["Timeouts"]["properties"]["connect"]["default"] == "5s"
    assert made["properties"]["listeners"]["default"]["http"]["address"] == ["[::]:80"]
    assert made["$defs"]["Target"]["properties"]["proxy"]["enum"] == list(names())


def test_the_schema_knows_every_key_of_the_model() -> None:
    assert set(schema(names())["properties"]) == set(Spec.model_fields)
    assert all(not definition.get("additionalProperties") for definition in schema(names())["$defs"].values())
