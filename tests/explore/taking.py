"""What tests of taking files out share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ibackup.explore.extraction import Extracted
from ibackup.explore.file_writer import Trouble
from ibackup.explore.target_names import Renamed

PASSWORD = "correct horse"


@dataclass
class Taken:
    """What an extraction did and told."""

    done: Extracted
    troubles: list[Trouble] = field(default_factory=list)
    renamed: list[Renamed] = field(default_factory=list)

    def kinds(self) -> dict[str, str]:
        """Kind of trouble by path."""
        return {trouble.path: trouble.kind for trouble in self.troubles}


Take = Callable[..., Taken]


def files_below(folder: Path) -> dict[str, bytes]:
    """Content of every regular file by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
