"""Where things are in an iPhone's Settings, by the version of iOS."""

import pytest

from ibackup.base.settings_paths import SettingsPlace, major_of, settings_paths


@pytest.mark.parametrize(
    ("place", "version", "path"),
    [
        (SettingsPlace.STORAGE, "15.8.3", "Settings > [your name] > iCloud > Manage Storage"),
        (SettingsPlace.STORAGE, "16.7", "Settings > [your name] > iCloud > Manage Account Storage"),
        (SettingsPlace.STORAGE, "17.2", "Settings > [your name] > iCloud > Manage Account Storage"),
        (SettingsPlace.STORAGE, "18.0", "Settings > [your name] > iCloud > Storage"),
        (SettingsPlace.STORAGE, "26.6.1", "Settings > [your name] > iCloud > Storage"),
        (SettingsPlace.STORAGE, "27", "Settings > [your name] > iCloud > Storage"),
        (SettingsPlace.STORAGE, None, "Settings > [your name] > iCloud > Storage"),
        (SettingsPlace.STORAGE, "nonsense", "Settings > [your name] > iCloud > Storage"),
        (SettingsPlace.RESET_NETWORK, "14.8", "Settings > General > Reset > Reset Network Settings"),
        (
            SettingsPlace.RESET_NETWORK,
            "17",
            "Settings > General > Transfer or Reset iPhone > Reset > Reset Network Settings",
        ),
        (SettingsPlace.POWER_MODE, "18.6", "Settings > Battery > Low Power Mode"),
        (SettingsPlace.FIND_MY, "12.5.7", "Settings > [your name] > iCloud > Find My iPhone"),
        (SettingsPlace.FIND_MY, None, "Settings > [your name] > Find My > Find My iPhone"),
        (SettingsPlace.RESET_ALL, "14.8", "Settings > General > Reset > Reset All Settings"),
    ],
)
def test_paths(place: SettingsPlace, version: str | None, path: str) -> None:
    assert place.path(version) == path


def test_paths_name_the_device() -> None:
    assert SettingsPlace.PHONE_STORAGE.path("18", "iPad") == "Settings > General > iPad Storage"
    assert (major_of("9.3.5"), major_of(""), major_of(None)) == (9, None, None)
    assert all(
        "{" not in place.path(version)
        for place in SettingsPlace
        for version in ("9", "14", "15", "16", "17", "18", "26")
    )


def test_a_text_names_places() -> None:
    text = "See {UPDATE}.".format(**settings_paths("18", "iPad"))
    assert text == "See Settings > General > Software Update."
