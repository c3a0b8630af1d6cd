"""The life that a spec gives its phone: someone's data, or the cases that readers of such data get wrong."""

from collections.abc import Iterator

from ibackup.simulator.life.hard_life import hard_life
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.usual_life import usual_life
from ibackup.simulator.spec import PhoneSpec


def life_files(spec: PhoneSpec, uses: int) -> Iterator[LifeFile]:
    """The databases of a phone's life and the files they name, after the phone was used that many times."""
    if not spec.life and not spec.hard_cases:
        return
    made = hard_life(uses) if spec.hard_cases else usual_life(spec, uses)
    yield from made.files(spec.version[0] if spec.version else 0)
