"""Files on disk: rules that lead to names which clients cannot ask for, and `Alias` lines that say where those are."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.proxies.apache.matching import below, conditions, of_path
from proxyconf.proxies.apache.plan import Rule, Words, line
from proxyconf.spec.deployment import ResolvedRoute, ServeFiles
from proxyconf.syntax.apache import substitution
from proxyconf.syntax.words import Raw

__all__ = ["aliases", "files_rules"]

# What a ready compressed file is, by the name without its last ending: Apache itself would go by the last.
_TYPES = {
    "css": "text/css", "js": "text/javascript", "mjs": "text/javascript", "html": "text/html", "svg": "image/svg+xml",
    "json": "application/json", "xml": "application/xml", "txt": "text/plain", "wasm": "application/wasm", "map": "application/json",
}  # fmt: skip
_ENDINGS = {"zstd": "zst", "br": "br", "gzip": "gz"}


def aliases(route: ResolvedRoute, at: int) -> Iterator[Words]:
    """Yield where the files of a route are."""
    action = route.action
    if isinstance(action, ServeFiles):
        if action.files.file is not None:
            yield line(f"/.lasthop/files/{at}/", action.files.file)
        else:
            yield line(f"/.lasthop/files/{at}/", f"{str(action.files.root).removesuffix('/')}/")


def files_rules(route: ResolvedRoute, action: ServeFiles, at: int, flags: Raw) -> Iterator[Rule]:
    """Yield the rules that lead to a file, the ready compressed ones first."""
    files, match = action.files, conditions(route.match)
    path = route.match.path
    here = Raw(f"/.lasthop/files/{at}/")
    if files.file is not None:
        yield from _compressed(files.precompressed, match, (of_path(path),), files.file, here, flags, Raw(""))
        yield Rule(match, (of_path(path), Raw(f'"{here}"'), flags))
        return
    strips = files.strip_prefix and path.type == "prefix"
    found = below(path) if strips else Raw('"(?s)^/(.*)"')
    only = () if strips else ((Raw("%{REQUEST_URI}"), of_path(path)),)
    folder = f"{str(files.root).removesuffix('/')}/"
    yield from _compressed(files.precompressed, (*match, *only), (found,), folder, here, flags, Raw("$1"))
    exists = ((substitution(folder, Raw("$1")), Raw("-f")),) if action.fallback is not None else ()
    yield Rule((*match, *only, *exists), (found, substitution(here, Raw("$1")), flags))


def _compressed(
    encodings: tuple[str, ...], match: tuple[Words, ...], found: Words, place: str, here: Raw, flags: Raw, rest: Raw
) -> Iterator[Rule]:  # fmt: skip
    if not encodings:
        return
    for ending, kind in _TYPES.items():
        yield Rule((), (Raw(f'"\\.{ending}\\z"'), Raw('"-"'), Raw(f"[E=TYPE:{kind}]")))
    for encoding in encodings:
        asks = line(f'%{{HTTP:Accept-Encoding}} "\\b{encoding}\\b" [NV]')
        there = (substitution(place, rest, Raw(f".{_ENDINGS[encoding]}")), Raw("-f"))
        typed = line('%{ENV:TYPE} "."')
        more = Raw(f"{flags[:-1]},T=%{{ENV:TYPE}},E=ENCODING:{encoding},E=no-gzip:1,E=no-brotli:1]")
        yield Rule((*match, asks, typed, there), (*found, substitution(here, rest, Raw(f".{_ENDINGS[encoding]}")), more))
