"""Where the view may listen, and what keeps strangers out."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.base.errors import PasswordNeeded, UsageError
from ibackup.base.events import Caution
from ibackup.view.guard.listen_rules import ListenRequest, plan_listening
from support.made_certificate import make_certificate


@pytest.fixture
def password(tmp_path: Path) -> str:
    path = tmp_path / "web-password"
    path.write_text("four random words here\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def certificate(tmp_path: Path) -> ListenRequest:
    made, key = make_certificate(tmp_path)
    return ListenRequest(certificate=made, key=key)


def no_warning(event: object) -> None:
    raise AssertionError(event)


def test_without_options_only_this_computer_reaches_it() -> None:
    plan = plan_listening(ListenRequest(port=8000), no_warning)
    site = plan.site(8000)
    assert (plan.address, site.url, site.this_user_only) == ("127.0.0.1", "http://127.0.0.1:8000", True)


@pytest.mark.parametrize(
    "request_",
    [
        ListenRequest(host_names=("a",)),
        ListenRequest(password_file="a"),
        ListenRequest(certificate="a"),
        ListenRequest(key="a"),
        ListenRequest(proxy="127.0.0.1"),
    ],
)
def test_the_other_options_need_listen(request_: ListenRequest) -> None:
    with pytest.raises(UsageError) as caught:
        plan_listening(request_, no_warning)
    assert "--listen" in caught.value.what


def test_others_reach_it_with_a_password_and_a_certificate(password: str, certificate: ListenRequest) -> None:
    asked = replace(certificate, address="192.168.1.20", port=8443, password_file=password)
    plan = plan_listening(replace(asked, host_names=("NAS.local",)), no_warning)
    site = plan.site(8443)
    assert plan.tls is not None
    assert plan.password is not None
    assert plan.password.fits("four random words here")
    assert site.hosts == ("nas.local:8443", "192.168.1.20:8443")
    assert (site.url, site.secure, site.proxy, site.this_user_only) == (
        "https://nas.local:8443",
        True,
        None,
        False,
    )
    usual = plan_listening(replace(asked, address="2001:db8::5", port=443), no_warning).site(443)
    assert usual.hosts == ("[2001:db8::5]", "[2001:db8::5]:443")


def test_behind_a_proxy_only_its_names_are_right(password: str) -> None:
    asked = ListenRequest(
        "0.0.0.0", 8000, ("backup.example", "other.example:8443"), password, proxy="10.0.0.2"
    )
    plan = plan_listening(asked, no_warning)
    site = plan.site(8000)
    assert plan.tls is None
    assert site.hosts == ("backup.example", "backup.example:443", "other.example:8443")
    assert (site.url, site.proxy) == ("https://backup.example", "10.0.0.2")


WRONG = [
    ({"address": "nas.local"}, "IP address"),
    ({"port": 0}, "port"),
    ({"password_file": None}, "web password"),
    ({"certificate": None, "key": None}, "encryption"),
    ({"key": None}, "together"),
    ({"certificate": None}, "together"),
    ({"proxy": "10.0.0.2"}, "exclude"),
    ({"certificate": None, "key": None, "proxy": "caddy"}, "IP address"),
    ({"certificate": None, "key": None, "proxy": "10.0.0.2"}, "name that browsers use"),
    ({"address": "0.0.0.0"}, "name that browsers use"),
    ({"address": "::"}, "name that browsers use"),
    ({"host_names": ("http://a/",)}, "needs a name"),
    ({"host_names": ("*",)}, "needs a name"),
    ({"host_names": ("a:99999",)}, "needs a name"),
    ({"host_names": ("evil\r\n",)}, "needs a name"),
]


@pytest.mark.parametrize(("change", "words"), WRONG)
def test_nothing_unsafe_is_started(
    password: str, certificate: ListenRequest, change: dict[str, object], words: str
) -> None:
    asked = replace(certificate, address="192.168.1.20", port=8443, password_file=password)
    with pytest.raises(UsageError) as caught:
        plan_listening(replace(asked, **change), no_warning)  # type: ignore[arg-type]
    assert words in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize("key", ["none.pem", "cert.pem", "locked.pem"])
def test_a_certificate_that_does_not_work_is_refused(
    password: str, certificate: ListenRequest, key: str
) -> None:
    folder = os.path.dirname(str(certificate.key))
    asked = replace(certificate, address="::1", port=8443, password_file=password, key=f"{folder}/{key}")
    with pytest.raises(UsageError) as caught:
        plan_listening(asked, no_warning)
    assert "certificate" in caught.value.what


def test_a_weak_or_missing_web_password_is_refused(
    password: str, certificate: ListenRequest, tmp_path: Path
) -> None:
    asked = replace(certificate, address="::1", port=8443, password_file=password)
    Path(password).write_text("short\n")
    with pytest.raises(UsageError) as caught:
        plan_listening(asked, no_warning)
    assert "short" not in f"{caught.value.message}".replace("is shorter", "")
    with pytest.raises(PasswordNeeded):
        plan_listening(replace(asked, password_file=str(tmp_path / "none")), no_warning)


@pytest.mark.skipif(os.name != "posix", reason="Windows has other permissions")
def test_a_password_file_that_others_can_read_is_reported(password: str, certificate: ListenRequest) -> None:
    Path(password).chmod(0o644)
    told: list[object] = []
    plan_listening(replace(certificate, address="::1", port=8443, password_file=password), told.append)
    assert [type(each) for each in told] == [Caution]
