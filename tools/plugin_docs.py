"""Write a page per plugin below docs/plugins/ from its docstring, its schemas and its golden cases.

Usage: python tools/plugin_docs.py [--check]    (`make docs`; --check only compares, for CI)
"""

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Any, cast

import yaml
from pages import DOCS, main

from gatefleet.plugin import Conf, Plugin
from gatefleet.plugins import registry

ROOT = Path(__file__).parent.parent
OUT = DOCS / "plugins"
GOLDEN = ROOT / "tests" / "golden" / "plugins"
Schema = dict[str, Any]
LIMITS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
}
MARK = "<!-- Written by tools/plugin_docs.py: `make docs`. -->"


def pages() -> Iterator[tuple[Path, str]]:
    yield OUT / "README.md", index()
    for name, plugin in registry().items():
        yield OUT / f"{name}.md", page(plugin)


def index() -> str:
    rows = [f"| [{p.name}]({p.name}.md) | {p.category} | {p.summary} |" for p in registry().values()]
    return "\n".join(["# Plugins", "", MARK, "", "| plugin | category | what it does |", "|---|---|---|", *rows, ""])


def page(plugin: Plugin) -> str:
    described = cleandoc(import_module(plugin.translate.__module__).__doc__ or "")
    blocks = [f"# {plugin.name}", MARK, described, facts(plugin), "## Fields", *fields(plugin.conf)]
    if plugin.auth:
        blocks += ["## Fields of a consumer's credential", *fields(plugin.auth.credential)]
    if plugin.metadata:
        blocks += ["## Plugin metadata", *fields(plugin.metadata)]
    blocks += [*examples(plugin), *example(plugin.name), *refusals(plugin.name)]
    return "\n\n".join(blocks) + "\n"


def facts(plugin: Plugin) -> str:
    return f"Category: {plugin.category}. Phase: {plugin.phase.name.lower()}. Priority: {plugin.priority}."


def fields(model: type[Conf]) -> Iterator[str]:
    if model.__doc__:
        yield cleandoc(model.__doc__)
    schema = model.model_json_schema()
    rows = list(described(schema, schema, ""))
    yield "\n".join(["| field | type | default | valid | meaning |", "|---|---|---|---|---|", *rows])


def described(schema: Schema, whole: Schema, prefix: str) -> Iterator[str]:
    """One table row per property, and below it those of objects inside it."""
    for name, raw in cast("dict[str, Schema]", schema.get("properties", {})).items():
        kinds = [resolved(one, whole) for one in cast("list[Schema]", raw.get("anyOf") or [raw])]
        kinds = [kind for kind in kinds if kind.get("type") != "null"]
        cells = (
            f"`{prefix}{name}`" + ("" if name not in schema.get("required", []) else " (required)"),
            " or ".join(dict.fromkeys(typed(kind, whole) for kind in kinds)),
            default(raw),
            "; ".join(limit for kind in kinds for limit in limits(kind)),
            raw.get("description") or next((cleandoc(k["description"]) for k in kinds if "description" in k), ""),
        )
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
        for kind in kinds:
            inner = resolved(cast("Schema", kind.get("items", {})), whole) if kind.get("type") == "array" else kind
            yield from described(inner, whole, f"{prefix}{name}." if inner is kind else f"{prefix}{name}[].")


def resolved(schema: Schema, whole: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    return {**whole["$defs"][schema["$ref"].rpartition("/")[2]], **{k: v for k, v in schema.items() if k != "$ref"}}


def typed(schema: Schema, whole: Schema) -> str:
    if schema.get("type") == "array":
        items = cast("list[Schema]", schema.get("prefixItems") or [schema.get("items", {})])
        return "array of " + " or ".join(dict.fromkeys(typed(resolved(item, whole), whole) for item in items))
    if "anyOf" in schema:
        return " or ".join(typed(resolved(one, whole), whole) for one in schema["anyOf"])
    return str(schema.get("type", "any"))


def default(schema: Schema) -> str:
    value = schema.get("default")
    return "" if value is None else f"`{json.dumps(value, ensure_ascii=False)}`"


def limits(schema: Schema) -> Iterator[str]:
    if "enum" in schema:
        yield ", ".join(f"`{value}`" for value in schema["enum"])
    for keyword, text in LIMITS.items():
        if keyword in schema:
            yield text.format(schema[keyword])
    if "pattern" in schema:
        yield f"`{schema['pattern']}`"


def examples(plugin: Plugin) -> Iterator[str]:
    yield "## Examples"
    for title, conf in plugin.examples.items():
        yield f"{title}:"
        yield fenced("json", json.dumps({"plugins": {plugin.name: conf}}, indent=2, ensure_ascii=False))


def example(name: str) -> Iterator[str]:
    case = GOLDEN / name / "everything.in.yaml"
    given = yaml.safe_load(case.read_text())
    yield "## Everything at once"
    yield fenced("json", json.dumps({"plugins": {name: given["conf"]}}, indent=2, ensure_ascii=False))
    if given.get("scope", {}).get("metadata"):
        yield "With this plugin metadata:"
        yield fenced("json", json.dumps(given["scope"]["metadata"], indent=2, ensure_ascii=False))
    yield "What becomes of it in Envoy, filter by filter, `route` being fields of the route itself:"
    yield fenced("yaml", case.with_name("everything.out.yaml").read_text().strip())


def refusals(name: str) -> Iterator[str]:
    cases = sorted((GOLDEN / name).glob("*-refused.in.yaml"))
    if not cases:
        return
    yield "## What is refused"
    rows = ["| configuration | answer |", "|---|---|"]
    for case in cases:
        conf = json.dumps(yaml.safe_load(case.read_text())["conf"], ensure_ascii=False)
        said = yaml.safe_load(case.with_name(case.name.replace(".in.", ".out.")).read_text())["refused"]
        answer = "<br>".join(str(line).replace("Value error, ", "") for line in said)
        rows.append("| `{}` | {} |".format(*(cell.replace("|", "\\|") for cell in (conf, answer))))
    yield "\n".join(rows)


def fenced(language: str, text: str) -> str:
    return f"```{language}\n{text}\n```"


if __name__ == "__main__":
    sys.exit(main(dict(pages()), OUT))
