"""One request as a page sees it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote, urlencode

from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ibackup.view import rendering
from ibackup.view.guard.browser_sessions import BrowserSession
from ibackup.view.house import House
from ibackup.view.not_shown import NotShown
from ibackup.view.opened.opened_backups import OpenedBackup, OpenedBackups
from ibackup.view.shown_phones import ShownBackup, ShownPhone


@dataclass(frozen=True)
class Asked:
    """One request.

    Attributes:
        house: what all pages share.
        session: whose browser asks, and what it unlocked.
        address: the path of the request, without the query.
        path: the parameters of the route.
        query: the first value of each.
        form: every value of each field of a POST body; its token was right.
        headers: of the request, names in lower case.
        is_page: whether people read the answer, and not a page or a program.
    """

    house: House
    session: BrowserSession
    address: str
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_page: bool = True

    @property
    def url(self) -> str:
        """Path and query, as links write them."""
        return _with_query(quote(self.address), self.query)

    def value(self, name: str) -> str:
        """A field of the form, empty if it was not sent."""
        return next(iter(self.form.get(name, ())), "")

    # -- what is shown --------------------------------------------------------------------------------------

    @cached_property
    def phones(self) -> tuple[ShownPhone, ...]:
        """All phones. Raises IbackupError."""
        return self.house.phones()

    @cached_property
    def phone(self) -> ShownPhone:
        """The phone in the address. Raises NotShown."""
        wanted = self.path["phone"]
        for phone in self.phones:
            if phone.slug == wanted:
                return phone
        raise NotShown("There is no phone at this address.", hint="Home shows every phone.")

    @property
    def at(self) -> str:
        """The id of the backup that was chosen; empty for the newest."""
        return self.query.get("at", "")

    @cached_property
    def backup(self) -> ShownBackup:
        """The backup that was chosen, or the newest. Raises NotShown."""
        found = self.phone.by_id.get(self.at) if self.at else self.phone.newest
        if found is None and self.at:
            raise NotShown(
                "This backup is not here any more.",
                why="It was removed, or its address was copied incompletely.",
                hint="The timeline shows all that are there.",
            )
        if found is None:
            raise NotShown(f"There is no backup of {self.phone.name} yet.", hint="Make one from Home.")
        return found

    @property
    def is_past(self) -> bool:
        """Whether the backup that was chosen is not the newest."""
        return bool(self.at) and self.backup != self.phone.newest

    def open(self) -> "OpenedBackups.Use":
        """Open the backup that was chosen, for a ``with`` block; one thread at a time is in it.

        Raises:
            PasswordNeeded: it is encrypted and not unlocked; the unlock page is shown in place of this one.
            IbackupError: it cannot be read.
        """
        return self.open_other(self.backup)

    def open_other(self, shown: ShownBackup) -> "OpenedBackups.Use":
        """The same for another backup, of any phone."""
        return self.house.opened.use(shown, self.session)

    def peek(self) -> OpenedBackup | None:
        """The backup that was chosen if it is open already; reads nothing and waits for nothing."""
        return self.house.opened.peek(self.backup, self.session)

    # -- answers --------------------------------------------------------------------------------------------

    def link(self, page: str = "", **query: object) -> str:
        """The address of a page of this phone, in the same time: ``asked.link("photos", only="gone")``.

        Args:
            page: its path below the phone's, or an absolute path.
            query: parameters; None and empty ones are left out; ``at`` replaces the time.
        """
        path = page if page.startswith("/") else f"/phone/{self.phone.slug}{f'/{page}' if page else ''}"
        values = {"at": self.at} | {name: str(value) for name, value in query.items() if value is not None}
        return _with_query(quote(path), values)

    def render(self, template: str, status: int = 200, **values: object) -> Response:
        """A page from a template; see ``part``."""
        return HTMLResponse(self.part(template, **values), status)

    def part(self, template: str, **values: object) -> str:
        """A page, or a part of one, as HTML.

        Args:
            template: its file.
            values: what it shows. Besides them, a template finds this request as ``asked``, its session, the phone of
                the address or None, and ``csrf_field()`` for each form. ``page`` is its name in the navigation;
                ``title`` is empty on Home.
        """
        known: dict[str, object] = {"page": "", "title": "", "phone": None}
        known |= {"asked": self, "session": self.session, "csrf_field": self._csrf_field}
        if "phone" in self.path:
            known["phone"] = self.phone
            known["counts"] = self._numbers()
        return rendering.page(template, **(known | values))

    def _numbers(self) -> Mapping[str, int]:
        """The numbers beside the pages of the phone, as far as its backup is open and they were read."""
        with suppress(NotShown):
            opened = self.peek()
            return opened.numbers if opened is not None else {}
        return {}

    def _csrf_field(self) -> Markup:
        return Markup('<input type="hidden" name="csrf" value="{}">').format(self.session.csrf)

    @staticmethod
    def see(url: str) -> Response:
        """Go on there, after something was changed."""
        return RedirectResponse(url if url.startswith("/") and not url.startswith("//") else "/", 303)


def _with_query(path: str, values: Mapping[str, str]) -> str:
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{path}?{query}" if query else path
