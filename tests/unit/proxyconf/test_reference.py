"""What is generated from the models: the reference page and the schema."""

from __future__ import annotations

from pathlib import Path

from proxyconf.reference import page
from proxyconf.render import names
from proxyconf.schema import schema
from proxyconf.spec import Model, Spec

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_page_has_not_drifted() -> None:
    assert (REPOSITORY / "docs/reference/site-spec.md").read_text() == page(), "run: python -m proxyconf.reference"


def test_every_key_has_a_sentence() -> None:
    for model in Model.__subclasses__():
        for name, field in model.model_fields.items():
            assert (field.description or "").endswith("."), f"{model.__name__}.{name}"


def test_defaults_in_the_schema_are_written_as_in_a_site_file() -> None:
    made = schema()
    assert made["$defs"]["Timeouts"]["properties"]["connect"]["default"] == "5s"
    assert made["properties"]["listeners"]["default"]["http"] == {"address": "[::]:80", "redirect": "https"}
    assert made["$defs"]["Target"]["properties"]["proxy"]["enum"] == list(names())


def test_the_schema_knows_every_key_of_the_model() -> None:
    assert set(schema()["properties"]) == set(Spec.model_fields)
    assert all(not definition.get("additionalProperties") for definition in schema()["$defs"].values())
