"""What importing the device layer costs: nothing of pymobiledevice3 until a phone is talked to."""

import subprocess
import sys

MODULES = (
    "",
    ".phones.phone",
    ".mux.usbmux",
    ".lockdown.lockdown",
    ".services.sync_lock_and_notices",
    ".services.info_plist",
    ".refusals.backup_refusals",
    ".lockdown.phone_facts",
    ".phones.waiting",
)


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=500, check=True
    )
    return done.stdout.strip()


def test_no_module_imports_pymobiledevice3() -> None:
    imports = ";".join(f"import ibackup.device{name}" for name in MODULES)
    loaded = "[n for n in sys.modules if n.split('.')[0] in ('pymobiledevice3', 'cryptography')]"
    assert run(f"{imports}; import sys; print({loaded})") == "[]"


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    code = "import ibackup.device, sys; print([n for n in sys.modules if n.startswith('ibackup.device.')])"
    assert run(code) == "[]"
