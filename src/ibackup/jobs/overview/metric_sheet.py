"""A sheet of gauges in the text format 0.0.4 of Prometheus, as node_exporter's textfile collector reads it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

_PREFIX = "ibackup_"
_MOST_LABEL = 256  # characters


@dataclass
class _Metric:
    """One gauge and its samples, each with its labels."""

    name: str
    help: str
    samples: list[tuple[tuple[tuple[str, str], ...], float]] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        if not self.samples:
            return
        yield f"# HELP {_PREFIX}{self.name} {self.help}"
        yield f"# TYPE {_PREFIX}{self.name} gauge"
        for labels, value in self.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels)
            yield f"{_PREFIX}{self.name}{f'{{{inside}}}' if inside else ''} {value:.17g}"


class MetricSheet:
    """The gauges in the order in which they were first named."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}

    def gauge(self, name: str, help_text: str, value: float | None, **labels: str) -> None:
        """Add a sample; None adds nothing."""
        metric = self._metrics.setdefault(name, _Metric(name, help_text))
        if value is not None:
            metric.samples.append((tuple(labels.items()), value))

    def text(self) -> str:
        """The whole sheet."""
        return "\n".join(line for metric in self._metrics.values() for line in metric.lines()) + "\n"


def at(moment: datetime | None) -> float | None:
    """A moment as seconds since 1970."""
    return moment.timestamp() if moment else None


def _escaped(text: str) -> str:
    text = "".join(char if char.isprintable() or char == "\n" else "?" for char in text[:_MOST_LABEL])
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
