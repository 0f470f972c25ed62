"""The names of metrics out of Prometheus' text format."""

import re
from typing import Any

VALUES_OF = (
    "method",
    "route",
    "status",
    "status_code",
    "code",
    "error_type",
    "outcome",
    "kind",
    "relaxed",
    "result",
    "state",
)
"""Labels whose values are few and depend on what was asked only."""

_SAMPLE = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? \S+")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def metric_names(text: str) -> dict[str, Any]:
    """Every metric's type and label names, and the values of the labels in VALUES_OF."""
    types: dict[str, str] = {}
    labels: dict[str, dict[str, set[str]]] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            types[name] = kind
            labels[name] = {}
        elif (found := _SAMPLE.fullmatch(line)) is not None:
            family = _family(found["name"], types)
            for label, value in _LABEL.findall(found["labels"] or ""):
                labels[family].setdefault(label, set()).add(value)
    return {name: {"type": kind, "labels": _shown(labels[name], kind)} for name, kind in sorted(types.items())}


def _family(sample: str, types: dict[str, str]) -> str:
    if sample in types:
        return sample
    return next(
        base
        for suffix in ("_bucket", "_count", "_sum", "_total", "_created")
        if (base := sample.removesuffix(suffix)) != sample and base in types
    )


def _shown(labels: dict[str, set[str]], kind: str) -> dict[str, Any]:
    return {
        label: dict.fromkeys(sorted(values), True) if label in VALUES_OF else "<any>"
        for label, values in sorted(labels.items())
        if not (kind == "histogram" and label == "le")
    }
