"""Phones in networks of a test's own, and the computers that back them up."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from ibackup.simulator.on_the_air import WIRELESS_DOMAIN, OnTheAir
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.wireless_spec import WirelessSpec
from support.networks import NoNetworks, Space, join, settle, spaces
from support.program import Done, Program

MakeSpaces = Callable[[int], list[Space]]
COMPUTER, ANNS, BOBS, STRANGERS = "10.27.0.1", "10.27.0.2", "10.27.0.3", "10.27.0.9"
_CONTENTS = (
    DomainSpec(name="CameraRollDomain", count=10, min_size=40_000, max_size=60_000),
    DomainSpec(name="HomeDomain", count=5, min_size=1, max_size=4096),
)
ANN = PhoneSpec(
    seed=21,
    name="Ann",
    ios_version="27.0",
    domains=_CONTENTS,
    batch_size=4,
    wireless=WirelessSpec(address=ANNS, heartbeat_s=1, other_computers=1, neighbours=1),
)
BOB = PhoneSpec(
    seed=22,
    name="Bob",
    ios_version="18.6.2",
    domains=_CONTENTS,
    batch_size=4,
    wireless=WirelessSpec(address=BOBS, heartbeat_s=1),
)


@pytest.fixture
def make_spaces(require_tool: Callable[[str], str]) -> Iterator[MakeSpaces]:
    """Gives a function that makes namespaces; without them the test is skipped."""
    require_tool("ip")
    require_tool("nsenter")
    with ExitStack() as stack:

        def make(count: int) -> list[Space]:
            try:
                return stack.enter_context(spaces(count))
            except NoNetworks as error:
                pytest.skip(str(error))

        yield make


@dataclass
class Computer:
    """A computer in the network: a usbmuxd, a home folder, and ``ibackup``."""

    space: Space
    program: Program

    @property
    def server(self) -> Server:
        """Its usbmuxd."""
        return self.program.server

    def run(self, *words: str, code: int | None = 0) -> Done:
        """Run ``ibackup`` there."""
        return self.program.run(*words, before=self.space.before, code=code)

    def start(self, *words: str) -> Callable[..., Done]:
        """Start ``ibackup`` there; the function that this returns waits for its end."""
        return partial(self.program.finish, self.program.start(*words, before=self.space.before))

    def set_up(self, *phones: VirtualPhone) -> None:
        """Switch Wi-Fi on by cable, one phone after the other; then no cable is left."""
        for phone in phones:
            self.server.attach(phone)
            self.run("wifi", "on", "--wait", "60s")
            self.server.detach(phone)


@dataclass
class Household:
    """A network with phones and computers."""

    folder: Path
    air: Space
    stack: ExitStack
    on_air: dict[str, OnTheAir] = field(default_factory=dict)
    switched_on: ClassVar = {(WIRELESS_DOMAIN, "EnableWifiConnections"): True}

    def add_computer(self, space: Space, name: str = "computer") -> Computer:
        """A computer with a usbmuxd that has no phone yet."""
        folder = self.folder / name
        folder.mkdir()
        server = self.stack.enter_context(serve(port=None, socket_path=folder / "usbmuxd"))
        return Computer(space, self.stack.enter_context(Program(folder, server, [])))

    def add_phone(self, computer: Computer, spec: PhoneSpec) -> VirtualPhone:
        """A phone that is in the network as soon as its Wi-Fi is switched on; its threads are that computer's."""
        phone = VirtualPhone(spec)
        self.on_air[phone.udid] = self.air.run(partial(computer.server.put_on_the_air, phone))
        return phone


@pytest.fixture
def household(make_spaces: MakeSpaces, tmp_path: Path) -> Iterator[tuple[Household, Computer]]:
    """A network with one computer."""
    space, air = make_spaces(2)
    join(space, air)
    settle(space, COMPUTER)
    for address in (ANNS, BOBS, STRANGERS):
        settle(air, address)
    with ExitStack() as stack:
        home = Household(tmp_path, air, stack)
        yield home, home.add_computer(space)
