"""Events as JSON: what ``--json`` prints, and what a job in another process tells; progress at most twice a second."""

from collections.abc import Mapping
from time import monotonic
from typing import Any, get_args

from ibackup.base.events import (
    Caution,
    Event,
    Note,
    Observer,
    Phase,
    PhaseStarted,
    Progress,
    Prompt,
    PromptDone,
    PromptKind,
    Silent,
)

_MIN_GAP = 0.5  # seconds between progress events: at most two per second


def members(event: Event) -> dict[str, object]:
    """An event as the members of a JSON object, as docs/reference-json.md describes them."""
    match event:
        case PhaseStarted(phase, text):
            return {"event": "phase", "phase": phase, "message": text}
        case Progress():
            return {
                "event": "progress",
                "phase": event.phase,
                "percent": event.percent,
                "bytes": event.bytes,
                "total_bytes": event.total_bytes,
                "files": event.files,
                "total_files": event.total_files,
            }
        case Silent():
            return {
                "event": "silent",
                "phase": event.phase,
                "seconds": round(event.seconds),
                "limit_seconds": round(event.limit_s),
                "message": event.text,
            }
        case Prompt(kind, text, seconds):
            return {"event": "prompt", "kind": kind, "message": text, "seconds": seconds, "done": False}
        case PromptDone(kind):
            return {"event": "prompt", "kind": kind, "done": True}
        case Caution(text, hint):
            return {"event": "warning", "message": text, "hint": hint}
        case Note(text):
            return {"event": "note", "message": text}


def event_of(line: Mapping[str, Any]) -> Event | None:
    """The event that ``members`` turned into these; None for anything else, such as a result."""
    phase, text = line.get("phase"), str(line.get("message", ""))
    kind = line.get("event")
    if kind in ("phase", "progress", "silent") and phase not in get_args(Phase):
        return None
    if kind == "prompt" and line.get("kind") not in get_args(PromptKind):
        return None
    match kind:
        case "phase":
            return PhaseStarted(line["phase"], text)
        case "progress":
            return Progress(
                line["phase"],
                percent=line.get("percent"),
                bytes=int(line.get("bytes", 0)),
                total_bytes=line.get("total_bytes"),
                files=int(line.get("files", 0)),
                total_files=line.get("total_files"),
            )
        case "silent":
            return Silent(line["phase"], float(line["seconds"]), float(line["limit_seconds"]), text)
        case "prompt" if line.get("done"):
            return PromptDone(line["kind"])
        case "prompt":
            return Prompt(line["kind"], text, line.get("seconds"))
        case "warning":
            return Caution(text, str(line.get("hint", "")))
        case "note":
            return Note(text)
        case _:
            return None


class Sparing:
    """An observer that passes everything on, but progress at most twice a second."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._told = float("-inf")

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Progress):
            now = monotonic()
            if now - self._told < _MIN_GAP:
                return
            self._told = now
        self._observer(event)
