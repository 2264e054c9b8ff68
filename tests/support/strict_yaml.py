"""YAML as the files of a deployment should be: read without tags of Python, and no key twice."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml


class _Strict(yaml.SafeLoader):
    """A key that stands twice hides what the first one said."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({name for name in names if names.count(name) > 1})
        # What `<<` brings is put in front by now, and may be overruled.
        if twice and not getattr(node, "is_merged", False):
            raise ValueError(f"{node.start_mark}: {', '.join(twice)} stands twice")
        made: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return made

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        had_merge = any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value)
        super().flatten_mapping(node)
        if had_merge:
            node.is_merged = True  # type: ignore[attr-defined]


def load(path: Path) -> Any:
    """The one document of a file."""
    with path.open(encoding="utf-8") as file:
        return yaml.load(file, Loader=_Strict)
