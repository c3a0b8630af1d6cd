"""The look: contrast of the colors, templates that a strict browser accepts, and icons that exist."""

import re
from importlib import resources
from itertools import product
from pathlib import Path

import jinja2
import pytest

import ibackup.view
from ibackup.view import words

VIEW = Path(ibackup.view.__file__).parent
SHEETS = sorted((VIEW / "static").glob("*.css"))
TEMPLATES = sorted((VIEW / "templates").glob("*.html"))
SCRIPTS = sorted((VIEW / "static").glob("*.js"))
TEXT = ("ink", "ink-2", "ink-3", "act", "good", "wait", "bad", "gone")
SURFACES = (
    "paper",
    "card",
    "sunk",
    "act-soft",
    "good-soft",
    "wait-soft",
    "bad-soft",
    "gone-soft",
    "mine",
    "theirs",
)
SKY = ("sky-top", "sky-middle", "sky-low", "found")


def tokens() -> dict[str, tuple[str, str]]:
    """The colors by name: in light and in dark."""
    text = (VIEW / "static" / "base.css").read_text(encoding="utf-8")
    return {
        name: (light, dark)
        for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", text)
    }


def contrast(one: str, other: str) -> float:
    """As WCAG defines it."""

    def luminance(color: str) -> float:
        digits = color[1:] if len(color) == 7 else "".join(each * 2 for each in color[1:])
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        red, green, blue = (
            part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_wcag_does() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#fff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_on_every_surface(scheme: int) -> None:
    colors = tokens()
    pairs = [*product(TEXT, SURFACES), *product(("ink", "ink-2"), SKY), ("act-ink", "act"), ("paper", "ink")]
    faint = {
        (text, surface): round(ratio, 2)
        for text, surface in pairs
        if (ratio := contrast(colors[text][scheme], colors[surface][scheme])) < 4.5
    }
    assert faint == {}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_edge_that_can_be_operated_is_seen(scheme: int) -> None:
    colors = tokens()
    for edge, surface in product(("edge", "act", "bead", "good", "wait"), ("paper", "card")):
        assert contrast(colors[edge][scheme], colors[surface][scheme]) >= 3, (edge, surface)


def test_browsers_without_light_dark_get_the_light_colors() -> None:
    text = (VIEW / "static" / "base.css").read_text(encoding="utf-8")
    plain = dict(re.findall(r"--([\w-]+): (#\w+)[;\n]", text.split("@supports")[0]))
    assert {name: light for name, (light, _) in tokens().items()} == plain


def test_sheets_use_only_tokens_that_exist() -> None:
    whole = "".join(each.read_text(encoding="utf-8") for each in SHEETS)
    known = set(re.findall(r"(--[\w-]+):", whole))
    assert set(re.findall(r"var\((--[\w-]+)", whole)) <= known


@pytest.mark.parametrize(
    "path", [*SHEETS, *TEMPLATES, *sorted((VIEW / "static").glob("*.js"))], ids=lambda path: path.name
)
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_obeys_the_content_security_policy(path: Path) -> None:
    text = re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"\sstyle\s*=", text), (
        "no style attributes: sizes from data are classes or SVG attributes"
    )
    html = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    assert not re.search(r"\son\w+\s*=\s*[\"']", html), "no handlers in attributes: app.js listens"
    # The page that stands alone has its style inside, and a policy of its own that allows it.
    assert ("<style" in text) is (path.name == "fleet_alone.html") is ("unsafe-inline" in text)
    assert all("src=" in tag for tag in re.findall(r"<script\b[^>]*>", text)), "no script inside of a page"
    assert not re.search(r"(?:src|href)=[\"']https?:", text), "nothing from another host"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_its_token(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    macros = re.findall(r"\{% macro (\w+)\(.*?%\}(.*?)\{% endmacro %\}", text, flags=re.DOTALL)
    carriers = ["csrf_field()", *(f"{name}(" for name, body in macros if "csrf_field()" in body)]
    for form in re.findall(r"<form\b.*?</form>", text, flags=re.DOTALL):
        if 'method="post"' in form:
            assert any(each in form for each in carriers), form[:120]


def test_icons_that_templates_name_exist() -> None:
    environment = jinja2.Environment(loader=jinja2.PackageLoader("ibackup.view"), autoescape=True)
    environment.filters |= words.FILTERS
    known = set(environment.get_template("icons.html").module.shapes)  # type: ignore[attr-defined]
    named = {
        name
        for path in TEMPLATES
        for name in re.findall(
            r"(?:\b(?:ui\.)?icon|draw)\(\"([\w-]+)\"|\bicon=\"([\w-]+)\"", path.read_text("utf-8")
        )
    }
    flat = {name for pair in named for name in pair if name}
    assert len(flat) > 15
    assert flat <= known


def test_the_files_are_part_of_the_package() -> None:
    static = resources.files("ibackup.view").joinpath("static")
    assert {each.name for each in static.iterdir()} >= {
        "app.js",
        "base.css",
        "frame.css",
        "icon.svg",
        "print.css",
    }
