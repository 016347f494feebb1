"""Whatever a plan holds, a template prints it quoted: every text of every golden's plan is replaced by hostile ones.

`Raw` is ours and stays. The output for a hostile text must be the output for a harmless one with exactly the quoted
text exchanged: nothing else moves, so nothing broke out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.facts.gate import Gate
from proxyconf.facts.target import Target
from proxyconf.proxies.contract import TemplatedProxy
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import load
from proxyconf.syntax.words import Raw, Syntax, Unquotable
from proxyconf.verbs.site import bundle

GOLDENS = Path(__file__).parent / "golden"
CASES = [
    path for name in names() for path in sorted((GOLDENS / name).glob("*.txt")) if isinstance(proxy(name), TemplatedProxy)
]
HOSTILE = [
    'x"; evil "', "x'; evil '", "x`y", "a b", ";", "{", "}", "{env.HOME}", "${HOME}", "$HOME", "$(id)", "%[env(HOME)]",
    "%{+json}o", "%%", "%", "# x", "{# x #}", "{{ x }}", "{% x %}", "\\", "\\\\", '\\"', "<x>", "<<EOF", "@x", "~", "*", "é",
    "\u00a0", "x\ny", "x\rindeed: y", "x\x00y", "x\x7f", "x\u2028y", "-f /etc/passwd", "!x", "&x", "|x", ">", "''", '""',
]  # fmt: skip



class Texts:
    """Puts other texts in the place of a plan's, each by its number."""

    def __init__(self, choose: Callable[[int], str]) -> None:
        self.count, self._choose = 0, choose

    def into(self, value: Any) -> Any:
        """Return a plan, or a piece of one, with every text exchanged; `Raw` and empty texts stay."""
        if type(value) is str and value:
            self.count += 1
            return self._choose(self.count - 1)
        if isinstance(value, tuple):
            return tuple(self.into(item) for item in value)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(value, **{field.name: self.into(getattr(value, field.name)) for field in fields(value)})
        return value


def plan_of(case: Path) -> Any:
    """Return the plan of a golden; None if it is refused."""
    site = case.read_text().partition("----------\n")[0]
    settings = [line.removeprefix("# --set ").split("=", 1) for line in site.splitlines() if line.startswith("# --set ")]
    name = case.parent.name
    try:
        file = load("site.yaml", site.encode(), dict(settings))
    except SiteError:
        return None
    if bundle(name, file).refused:
        return None
    return proxy(name).plan(file.deployment, Gate(Target.of(name, file.spec), file.spec.policy))


def quotable(syntax: Syntax, text: str) -> bool:
    try:
        syntax.quote(text)
    except Unquotable:
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_text_of_a_plan_is_printed_quoted(case: Path) -> None:
    one, plan = proxy(case.parent.name), plan_of(case)
    assert isinstance(one, TemplatedProxy)
    if plan is None:
        return
    counted = Texts(marker)
    counted.into(plan)
    assert counted.count
    for pinned in {0, counted.count - 1} if counted.count > 1 else {-1}:
        exchanged(one, plan, counted.count, pinned)
    refused(one, plan, counted.count)


def marker(at: int) -> str:
    return f"harmless $ text <{at}>"


def exchanged(one: TemplatedProxy[Any], plan: Any, count: int, pinned: int) -> None:
    """Compare the output for hostile texts with that for harmless ones; one text stays, so that what its dollar needs is there."""
    usual = one.files(Texts(lambda at: "$" if at == pinned else marker(at)).into(plan), {})
    texts = [text for text in HOSTILE if quotable(one.syntax, text) and (pinned >= 0 or "$" in text)]
    for offset in range(len(texts)):

        def chosen(at: int, offset: int = offset) -> str:
            return "$" if at == pinned else texts[(at + offset) % len(texts)]

        expected = dict(usual)
        for at in range(count):
            old, new = one.syntax.quote(marker(at)), one.syntax.quote(chosen(at))
            expected = {file: printed.replace(old, new) for file, printed in expected.items()}
        assert one.files(Texts(chosen).into(plan), {}) == expected


def refused(one: TemplatedProxy[Any], plan: Any, count: int) -> None:
    """See that a text which cannot be quoted is never printed."""
    usual = one.files(Texts(marker).into(plan), {})
    bad = next(text for text in HOSTILE if not quotable(one.syntax, text))
    for at in range(count):
        if any(one.syntax.quote(marker(at)) in printed for printed in usual.values()):
            with pytest.raises(Unquotable):
                one.files(Texts(lambda number, at=at: bad if number == at else "x").into(plan), {})  # type: ignore[misc]  # a default


@pytest.mark.parametrize("name", [name for name in names() if isinstance(proxy(name), TemplatedProxy)])
@pytest.mark.parametrize("text", HOSTILE)
def test_a_quoted_text_stays_on_its_line(name: str, text: str) -> None:
    one = proxy(name)
    assert isinstance(one, TemplatedProxy)
    if not quotable(one.syntax, text):
        assert one.unquotable(text)
        return
    quoted = one.syntax.quote(text)
    assert not any(char in quoted for char in "\n\r\x00\u2028")
    assert one.syntax.printed(Raw(text)) == text
