"""Word lists: `[section]` headers, items between blanks, `#` comments. A tab-free format people can edit."""

from functools import lru_cache
from importlib.resources import files


@lru_cache(None)
def load(name: str) -> dict[str, list[str]]:
    """Sections of lists/<name>.txt; in a section whose name ends in `:lines`, each line is one item."""
    sections: dict[str, list[str]] = {}
    current, whole = [], False
    for line in (files(__package__) / "lists" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        line = line.strip()
        if not line or line.startswith("# "):
            continue
        if line.startswith("[") and line.endswith("]"):
            key = line[1:-1]
            whole = key.endswith(":lines")
            current = sections.setdefault(key.removesuffix(":lines"), [])
        elif whole:
            current.append(line)
        else:
            current.extend(line.split())
    return sections


def table(name: str, section: str) -> dict[str, str]:
    return dict(item.split("=", 1) for item in load(name)[section])
