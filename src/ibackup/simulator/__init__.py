"""The virtual iPhone: usbmuxd, lockdownd and the services a backup needs, as real clients expect them.

    with serve(VirtualPhone(demo_spec())) as server:
        print(server.address)

A phone is described by a PhoneSpec, lives in a VirtualPhone, and is reached through a Server.
"""

from ibackup.simulator.phone import VirtualPhone
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import (
    AppSpec,
    DomainSpec,
    Fault,
    Passcode,
    PhoneSpec,
    Trust,
    demo_spec,
    load_spec,
)

__all__ = [
    "AppSpec",
    "DomainSpec",
    "Fault",
    "Passcode",
    "PhoneSpec",
    "Server",
    "Trust",
    "VirtualPhone",
    "demo_spec",
    "load_spec",
    "serve",
]
