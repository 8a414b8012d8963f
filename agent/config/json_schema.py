"""The JSON Schema of agent.yaml, for editors, made from the types and their docstrings.

``python -m agent --config-schema > configs/agent.schema.json`` writes it anew.
"""

import ast
import inspect
from typing import Any, Final

import msgspec

from agent import config

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """Return the schema; no key is required, and null stands for a default."""
    made: dict[str, Any] = msgspec.json.schema(config.Config, schema_hook=_hook)
    texts = _docstrings()
    for name, group in made["$defs"].items():
        group.pop("required", None)
        for key, kind in group["properties"].items():
            if (name, key) in texts:
                kind["description"] = texts[name, key]
    sized: dict[str, Any] = _with_texts(made)
    return {"$schema": _DIALECT, "title": "Paceline agent", **sized}


def _with_texts(part: Any) -> Any:
    """Return plain data in which a size is also a text: it alone is an integer with a pattern."""
    if isinstance(part, dict):
        made = {key: _with_texts(value) for key, value in part.items()}
        if made.get("type") == "integer" and "pattern" in made:
            made["type"] = ["integer", "string"]
        return made
    return [_with_texts(item) for item in part] if isinstance(part, list | tuple) else part


def _hook(_: type) -> dict[str, Any]:
    """Return the schema of what msgspec does not know: paths."""
    return {"type": "string", "minLength": 1, "description": "A path, or credential:NAME."}


def _docstrings() -> dict[tuple[str, str], str]:
    """Return what stands under each field, by class and field."""
    found = {}
    for group in ast.parse(inspect.getsource(config)).body:
        if not isinstance(group, ast.ClassDef):
            continue
        for field, text in zip(group.body, group.body[1:], strict=False):
            match field, text:
                case (
                    ast.AnnAssign(target=ast.Name(key)),
                    ast.Expr(value=ast.Constant(value=str(said))),
                ):
                    found[group.name, key] = " ".join(inspect.cleandoc(said).split())
    return found
