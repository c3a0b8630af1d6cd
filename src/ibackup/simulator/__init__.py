"""The virtual iPhone: usbmuxd, lockdownd and the services that a backup needs, as real clients expect them.

    with serve(VirtualPhone(demo_spec())) as server:
        print(server.address)

A PhoneSpec describes a phone, a VirtualPhone is the phone, and a Server lets clients reach it.
"""

from ibackup.simulator.faults import Fault
from ibackup.simulator.habits import Habits
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import AppSpec, DomainSpec, Passcode, PhoneSpec, Trust, demo_spec
from ibackup.simulator.specfile import load_spec
from ibackup.simulator.virtual_phone import VirtualPhone

__all__ = [
    "AppSpec",
    "DomainSpec",
    "Fault",
    "Habits",
    "Passcode",
    "PhoneSpec",
    "Server",
    "Trust",
    "VirtualPhone",
    "demo_spec",
    "load_spec",
    "serve",
]
