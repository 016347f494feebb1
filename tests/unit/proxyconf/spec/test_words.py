"""No model field answers a wrong type, bound or form in the model library's words, wherever in the file it stands."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.spec.fields import Model
from proxyconf.spec.read import load
from proxyconf.spec.root import Spec
from proxyconf.verbs.explain import explained

Path = tuple[str | int, ...]
BASE: dict[str, Any] = {"sites": [{"hostnames": ["shop.example"], "upstream": "h2c://127.0.0.1:8000"}]}
WRONG: list[Any] = [
    -1, 2**40, 1.5, True, "", "text", "off", "30s", "a b", "/x//", "é", [], [1], ["x"], [{}], {}, {"x": {"y": []}}, "x" * 300,
]  # fmt: skip
# What pydantic says, in any of its sentences.
LIBRARY = re.compile(r"[Ii]nput should|[Vv]alue error|valid (string|dict|list|tuple|integer|boolean)|type=|pydantic|Extra inputs|Field required|instance of")


def bare(kind: Any) -> Any:
    """Strip `Annotated` and `| None`."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    options = [option for option in get_args(kind) if option is not type(None)]
    if len(options) == 1 and get_origin(kind) not in (tuple, dict) and len(get_args(kind)) == 2:
        return bare(options[0])
    return kind


def places(kind: Any, path: Path = (), seen: tuple[type, ...] = ()) -> Iterator[Path]:
    """Yield the path of every key that a site file can have."""
    kind = bare(kind)
    if path:
        yield path
    if isinstance(kind, type) and issubclass(kind, Model):
        if kind in seen:
            return
        for name, field in kind.model_fields.items():
            yield from places(field.annotation, (*path, field.alias or name), (*seen, kind))
    elif get_origin(kind) is tuple:
        yield from places(get_args(kind)[0], (*path, 0), seen)
    elif get_origin(kind) is dict:
        yield from places(get_args(kind)[1], (*path, "name"), seen)


def put(path: Path, value: Any) -> Any:
    """Return the smallest site with a value at a path, however incomplete what holds it is."""
    data: Any = copy.deepcopy(BASE)
    here: Any = data
    for step, after in zip(path, [*path[1:], None], strict=True):
        new: Any = value if after is None else [] if isinstance(after, int) else {}
        if isinstance(step, int):
            if not here:
                here.append(new)
            elif after is None:
                here[0] = new
            here = here[0]
        else:
            if after is None or type(here.get(step)) is not type(new):
                here[step] = new
            here = here[step]
    return data


PLACES = sorted(set(places(Spec)), key=str)


def said(data: Any) -> tuple[str, ...]:
    try:
        load("s.yaml", json.dumps(data).encode(), {})
    except SiteError as error:
        return error.lines
    return ()


def test_there_are_many_keys() -> None:
    assert len(PLACES) > 300


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_a_wrong_value_is_answered_in_our_words(path: Path) -> None:
    refused = 0
    for value in WRONG:
        lines = said(put(path, value))
        refused += bool(lines)
        for line in lines:
            assert not LIBRARY.search(line), line
            assert re.match(r"s\.yaml:\d+:\d+: PC[1-5]\d\d ", line), line
            assert line.isprintable()
    assert refused, "everything is taken"


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_every_key_has_its_sentence(path: Path) -> None:
    word = ".".join(str(step) for step in path if not isinstance(step, int))
    if isinstance(path[-1], str) and "name" not in path[-1:]:
        assert explained(word).startswith(f"{word}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('version: "1"', "write 1 without quotes"), ("version: 2", "'2' is not known here; known here: 1"),
        ("upstreams: {a: {servers: [80]}}", "expected keys with values, found a number"),
        ("upstreams: {a: {servers: [{address: 80}]}}", 'write ":80" or "127.0.0.1:80"'),
        ("upstreams: {a: {servers: ['b:1'], connections: {max_concurrent_streams: 0}}}", "a whole number from 1 to 2147483647"),
        ("upstreams: {a: {servers: ['h2c://b:1']}}", "an address has no scheme"),
        ("trust: {trusted_proxies: [0.0.0.0/0]}", "write `any`"), ("listeners: {x: {}}", "the key 'address' is missing"),
        ("trust: {trusted_proxies: [10.0.0.1/8]}", "host bits zero"),
    ],
)
def test_messages_name_the_cause_and_the_way_out(text: str, words: str) -> None:
    site = f'sites: [{{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}}]\n{text}\n'
    with pytest.raises(SiteError) as caught:
        load("s.yaml", site.encode(), {})
    assert words in str(caught.value)


def test_a_path_in_an_upstreams_url_is_what_is_wrong() -> None:
    with pytest.raises(SiteError) as caught:
        load("s.yaml", b'sites: [{hostnames: [shop.example], upstream: "h2c://h:8000/api"}]', {})
    assert "an upstream has no path; write h2c://h:8000" in str(caught.value)


def test_a_mapped_network_is_what_it_stands_for() -> None:
    site = b'trust: {trusted_proxies: ["::ffff:10.0.0.0/104"]}\nsites: [{hostnames: [shop.example], upstream: "h2c://h:8000"}]'
    assert load("s.yaml", site, {}).deployment.trusted_networks == ("10.0.0.0/8",)
