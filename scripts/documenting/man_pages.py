"""The manual pages: one for each command, made from what ``--help`` is made from."""

import re
from collections.abc import Iterable, Iterator
from datetime import date

import click

from documenting.walking import commands
from ibackup.cli.main import cli
from ibackup.cli.shell.common_options import COMMON_TITLE, is_common
from ibackup.cli.shell.exits import rows_of
from ibackup.cli.shell.top_help import ALIASES, GROUPS

_SECTION = 1
_CODE = re.compile(r"`([^`]+)`")
_AS_IT_IS = "\b"  # click's mark of a paragraph whose lines stay


def man_pages(version: str, day: date) -> dict[str, str]:
    """Every page by its file name, as ``ibackup-copy-add.1``; other words for a command lead to its page.

    Args:
        version: that the pages name.
        day: that they name.
    """
    made = {}
    for path, command, context in commands(cli, "ibackup"):
        if not command.hidden:
            made[_file(path)] = _page(path, command, context, version, day)
    for other, name in ALIASES.items():
        made[_file(f"ibackup {other}")] = f".so man{_SECTION}/{_file(f'ibackup {name}')}\n"
    return made


def _file(path: str) -> str:
    return f"{_title(path)}.{_SECTION}"


def _title(path: str) -> str:
    return path.replace(" ", "-")


def _page(path: str, command: click.Command, context: click.Context, version: str, day: date) -> str:
    title = _title(path)
    about = _paragraphs(command.help or "")
    first = " ".join(about[0].split()).rstrip(".")
    lines = [
        f'.TH {_escaped(title.upper())} {_SECTION} {day} "ibackup {_escaped(version)}" "ibackup"',
        *(".nh", ".ad l"),  # whole words, so that every option can be copied
        *(".SH NAME", f"{_escaped(title)} \\- {_text(first[:1].lower() + first[1:])}"),
        *(".SH SYNOPSIS", *_synopsis(path, command, context)),
        *(".SH DESCRIPTION", *_prose(about)),
    ]
    if path == "ibackup":
        lines += [
            *_top_commands(),
            ".SH OPTIONS",
            "Every command has these options. They can be before or after it.",
        ]
        lines += _options(context, command.get_params(context))
    else:
        lines += [
            ".SH OPTIONS",
            *_options(context, [p for p in command.get_params(context) if not is_common(p)]),
        ]
        lines += [
            ".PP",
            f"{COMMON_TITLE}, such as {_bold('--store')} and {_bold('--json')}, are in {_reference('ibackup')}.",
        ]
    if isinstance(command, click.Group):
        if path != "ibackup":
            lines += [".SH COMMANDS", *_members(path, command, context)]
    else:
        lines += [
            ".SH EXIT STATUS",
            *_terms((code, _text(said)) for code, said in rows_of(path.partition(" ")[2])),
        ]
        if command.epilog:
            lines += [".SH NOTES", *_prose(_paragraphs(command.epilog))]
    lines += [".SH SEE ALSO", *_see_also(path)]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> list[str]:
    return [part.strip("\n") for part in re.split(r"\n\s*\n", text.partition("\f")[0]) if part.strip()]


def _prose(paragraphs: Iterable[str]) -> Iterator[str]:
    for number, each in enumerate(paragraphs):
        if number:
            yield ".PP"
        if each.startswith(_AS_IT_IS):
            yield from (
                ".nf",
                *(_text(line) for line in each.removeprefix(_AS_IT_IS).strip("\n").split("\n")),
                ".fi",
            )
        else:
            yield _text(" ".join(each.split()))


def _synopsis(path: str, command: click.Command, context: click.Context) -> Iterator[str]:
    yield " ".join([_bold(path), *(_escaped(piece) for piece in command.collect_usage_pieces(context))])


def _options(context: click.Context, params: Iterable[click.Parameter]) -> Iterator[str]:
    records = [
        record
        for each in params
        if isinstance(each, click.Option) and (record := each.get_help_record(context))
    ]
    return _terms((_bold(names), _text(said)) for names, said in records)


def _members(path: str, group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        child = group.get_command(context, name)
        if child is not None and not child.hidden:
            yield from _terms([(_reference(f"{path} {name}"), _text(child.get_short_help_str(limit=200)))])


def _top_commands() -> Iterator[str]:
    yield ".SH COMMANDS"
    for title, group in GROUPS.items():
        yield f".SS {_escaped(title)}"
        yield from _terms((_reference(f"ibackup {name}"), _text(said)) for name, said in group.items())


def _see_also(path: str) -> Iterator[str]:
    words = path.split()
    parents = [" ".join(words[:count]) for count in range(1, len(words))]
    others = ["usbmuxd(8)"] if path == "ibackup" else []
    yield ", ".join([*(_reference(each) for each in parents), *(_linked(each) for each in others)]) + "."


def _terms(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    for term, said in rows:
        yield from (".TP", term, said)


def _reference(path: str) -> str:
    return _linked(f"{_title(path)}({_SECTION})")


def _linked(page: str) -> str:
    name, bracket, section = page.partition("(")
    return f"{_bold(name)}{bracket}{section}"


def _bold(text: str) -> str:
    return f"\\fB{_escaped(text)}\\fR"


def _text(text: str) -> str:
    """A text for roff, with what is in backticks in bold."""
    parts = _CODE.split(text)
    made = "".join(_bold(part) if number % 2 else _escaped(part) for number, part in enumerate(parts))
    return f"\\&{made}" if made[:1] in (".", "'") else made


def _escaped(text: str) -> str:
    """A text whose characters mean themselves to roff; a hyphen can be copied as a minus sign."""
    return (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("`", "\\(ga")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )
