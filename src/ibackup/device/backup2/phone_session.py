"""What all jobs over mobilebackup2 have in common, from the greeting to the phone's last word."""

import queue
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import ClassVar, Final, Generic, Protocol, TypeVar

from ibackup.base.confined import shown
from ibackup.base.durations import duration_words
from ibackup.base.errors import ConnectionLost, IbackupError, Interrupted, PersonNeeded
from ibackup.base.events import Caution, Observer, Phase, PhaseStarted, Silent
from ibackup.config.stall_limits import Limits
from ibackup.device.backup2.passcode_prompt import PasscodePrompt, Purpose
from ibackup.device.devicelink import requests
from ibackup.device.devicelink.frames_and_chunks import LinkStatus, broken
from ibackup.device.devicelink.link import SERVICE, DeviceLink
from ibackup.device.devicelink.request_log import RequestLog
from ibackup.device.folder.served_files import ServedFiles
from ibackup.device.lockdown.phone_facts import PhoneFacts
from ibackup.device.refusals.backup_refusals import Job, RefusalContext, refusal
from ibackup.device.services.sync_lock_and_notices import Notice, hearing, into

_PROTOCOL_VERSIONS: Final = (2.0, 2.1)
_MOST_UNKNOWN: Final = 1000
"""How many unknown messages a phone may send in one job."""
_TOLD_UNKNOWN: Final = 5
_LATE_NOTICE_S: Final = 1.0
_PULSE_S: Final = 0.25
_PROMPT_STANDS_S: Final = 240.0
"""A connection that ends this soon after the prompt, without a request in between, ended because of the prompt."""


class BackupPhone(Protocol):
    """What a session needs of a trusted phone."""

    @property
    def udid(self) -> str:
        """As lockdown spells it."""

    @property
    def facts(self) -> PhoneFacts:
        """Facts about the phone, read once."""

    @property
    def limits(self) -> Limits:
        """How long it may be silent."""

    def start_service(self, name: str, *, escrow: bool = False) -> socket.socket:
        """A blocking stream to a service."""


Files = TypeVar("Files", bound=ServedFiles)


class PhoneSession(Generic[Files]):
    """One conversation about one job. A session is used once.

    Args:
        phone: a trusted one.
        files: the files that the phone may read and write.
        observer: gets phases, progress, and requests to someone at the phone.
        unplugged: called a few times a second; True if the phone is gone, which ends the session.

    Attributes:
        job: what errors call the job.
        purpose: what the phone's passcode is for.
        activity: what the phone was doing, as in "while it was asked for a backup".
        most_requests: how many requests a phone may send. Without a limit, it could send small, allowed requests
            forever.
    """

    job: Job
    purpose: ClassVar[Purpose]
    activity: ClassVar[str]
    most_requests: ClassVar[int] = 20_000_000  # several requests for each of millions of files
    _link: DeviceLink

    def __init__(
        self,
        phone: BackupPhone,
        files: Files,
        observer: Observer,
        *,
        unplugged: Callable[[], bool] | None = None,
    ) -> None:
        self._phone = phone
        self._noun = phone.facts.noun
        self._files = files
        self._observer = observer
        self._unplugged = unplugged
        self._password_given = False  # a backup password is sent along
        self._notices: queue.SimpleQueue[Notice] = queue.SimpleQueue()
        self._prompt = PasscodePrompt(observer, self._noun, self.purpose)
        self._phase: Phase = "prepare"
        self._told_at = 0.0
        self._told_silence = 0
        self._unknown = 0
        self._unknown_names: set[str] = set()
        self._sent_at = 0.0
        self._awaiting = False  # the phone has sent no request since it got its job
        self._asked_at: float | None = None
        self._percent: float | None = None

    def _ask(self, message: Mapping[str, object], *held: AbstractContextManager[object]) -> None:
        """Give the phone its job, and answer its requests until its last word.

        Args:
            message: the job.
            held: a context that is entered after the greeting and left at the end.
        """
        phone = self._phone
        with ExitStack() as stack:
            stack.enter_context(hearing(phone, into(self._notices)))
            link = self._link = stack.enter_context(
                DeviceLink(phone.start_service(SERVICE, escrow=True), noun=self._noun, limits=phone.limits)
            )
            stack.callback(link.disconnect)
            link.activity, link.pulse = self.activity, self._pulse
            self._hello()
            for each in held:
                stack.enter_context(each)
            try:
                self._send(message)
                # Before its first request, the phone may wait for its passcode or free space.
                link.waiting = link.limits.scan_s
                self._begin()
                self._follow()
            except BaseException:
                # Tell the phone first, so that it stops: releasing the rest may take longer.
                link.disconnect()
                raise

    def _follow(self) -> None:
        """Answer the phone's requests until its last word."""
        log = RequestLog(lambda: self._files.moved)
        try:
            for _ in range(self.most_requests):
                request = self._next()
                log.note(request)
                if isinstance(request, requests.Process):
                    self._take_last_word(request.message)
                    return
                self._hear()
                self._serve(request)
                self._reached(request.progress)
        finally:
            log.end()
        raise broken(
            f"The {self._noun} has asked for {self.most_requests:,} things and is still not done.",
            "Nothing that ibackup asks for takes that many.",
        )

    def _hello(self) -> None:
        """Agree on versions."""
        self._link.handshake()
        self._send({"MessageName": "Hello", "SupportedProtocolVersions": list(_PROTOCOL_VERSIONS)})
        request = self._next()
        if not isinstance(request, requests.Process):
            raise broken(f"The {self._noun} answered the greeting with a {type(request).__name__} request.")
        self._finish(request.message)
        if request.message.get("ProtocolVersion") not in _PROTOCOL_VERSIONS:
            raise broken(
                f"The {self._noun} uses a version of the backup protocol that ibackup does not know.",
                "ibackup knows 2.0 and 2.1.",
            )

    def _send(self, message: Mapping[str, object]) -> None:
        self._awaiting, self._sent_at = True, time.monotonic()
        self._link.send(["DLMessageProcessMessage", dict(message)])

    def _next(self) -> requests.PhoneRequest:
        """The phone's next request. Unknown messages are answered "not supported", and the phone continues.

        Raises:
            ProtocolBroken: there were too many unknown ones.
        """
        while isinstance(request := self._parsed(), requests.UnknownRequest):
            self._unknown += 1
            if self._unknown > _MOST_UNKNOWN:
                raise broken(
                    f"The {self._noun} sent more than {_MOST_UNKNOWN:,} messages that ibackup does not know."
                )
            self._tell_unknown(shown(request.name, 80))
            self._link.send_status(LinkStatus.GENERIC, "Operation not supported")
        return request

    def _parsed(self) -> requests.PhoneRequest:
        try:
            request = requests.parse(self._link.receive())
        except ConnectionLost as error:
            unanswered, closed = self._awaiting, self._closed_prompt()
            if closed is not None:
                raise closed from error
            if unanswered and not (self._unplugged is not None and self._unplugged()):
                # Not every phone reports that it asks for its passcode.
                error.hint += (
                    f" If the {self._noun} asked for its passcode, enter it as soon as it asks again."
                )
            raise
        if isinstance(request, requests.Disconnect):
            closed = self._closed_prompt()
            if closed is not None:
                raise closed
        self._awaiting, self._asked_at = False, None
        return request

    def _closed_prompt(self) -> PersonNeeded | None:
        """The error for a phone that ended the connection at its passcode prompt, as iOS 27 does.

        None if there was another reason. A pulled cable is only reported a moment later, so this waits for that.
        """
        if not self._awaiting or self._is_heard_late(
            lambda: self._unplugged is not None and self._unplugged()
        ):
            return None
        if self._asked_at is None or time.monotonic() - self._asked_at > _PROMPT_STANDS_S:
            return None
        return PersonNeeded(
            f"The passcode was not entered on the {self._noun}.",
            why=(
                "It asked for the passcode and ended the connection soon after: nobody answered, or the "
                "prompt was closed."
            ),
            hint=f"Run the command again, and enter the {self._noun}'s own passcode on it as soon as it asks. Newer "
            "versions wait only a few seconds.",
        )

    def _tell_unknown(self, name: str) -> None:
        """Warn of an unknown message: once for each name, and only for a few."""
        if name in self._unknown_names or len(self._unknown_names) >= _TOLD_UNKNOWN:
            return
        self._unknown_names.add(name)
        self._observer(
            Caution(
                f"The {self._noun} sent a message that ibackup does not know: {name}.",
                "It was answered “not supported”, and the backup continues. Please report it.",
            )
        )

    def _reached(self, percent: float | None) -> None:
        """Take over the phone's own progress, once the step that it belongs to is done.

        With each request a phone says how far it will be when that request is done; sometimes this goes backwards.
        What we show is what has been reached, and it never falls.
        """
        if percent is not None:
            self._percent = max(percent, self._percent or 0.0)

    def _finish(self, message: Mapping[object, object]) -> None:
        """Take the phone's last word; returns if the job succeeded, and raises otherwise."""
        name, code = message.get("MessageName"), message.get("ErrorCode")
        if name not in ("Response", None) or not isinstance(code, int):
            raise broken(f"The {self._noun} sent a {str(name)[:80]!a} message where a Response belongs.")
        if code:
            said = message.get("ErrorDescription")
            raise self._refusal(code, said if isinstance(said, str) else "")

    def _pulse(self) -> None:
        """Runs a few times a second, and often while files are transferred."""
        now = time.monotonic()
        if now - self._told_at < _PULSE_S:
            return
        self._told_at = now
        if self._unplugged is not None and self._unplugged():
            raise self._link.unplugged()
        self._hear()
        self._beat()
        self._tell_silence()

    def _tell_silence(self) -> None:
        """Report how long the phone has been silent, as often as the limits say."""
        link = self._link
        silent_s = link.silent_s
        times = int(silent_s / link.limits.say_every_s)
        if times == self._told_silence:
            return
        self._told_silence = times
        if times:
            why = (
                "It may still be waiting for its passcode" if self._phase == "passcode" else "That is normal"
            )
            text = f"The {self._noun} has been silent for {duration_words(silent_s)}. {why}; ibackup waits up to "
            self._observer(
                Silent(self._phase, silent_s, link.limit_s, f"{text}{duration_words(link.limit_s)}.")
            )

    def _hear(self) -> None:
        """Act on the phone's notifications, which come over another connection."""
        while self._notices.qsize():
            notice = self._notices.get()
            if notice is Notice.CANCEL_REQUESTED:
                raise self._cancelled()
            if notice is Notice.PASSCODE_ASKED:
                if self._awaiting:
                    self._asked_at = time.monotonic()
                if self._expects_prompt() and not self._prompt.stands:
                    self._prompt_changes(stands=True)
                    self._prompt.announce()
            elif notice is Notice.PASSCODE_DONE and self._prompt.stands:
                self._prompt.withdraw()
                self._prompt_changes(stands=False)

    def _is_heard_late(self, enough: Callable[[], bool]) -> bool:
        """Listen a moment longer, until the condition is true; returns whether it is.

        Notices come over another connection than the answer, so they may arrive after it.
        """
        end = time.monotonic() + _LATE_NOTICE_S
        while not (heard := enough()) and time.monotonic() < end:
            self._hear()
            time.sleep(0.01)
        return heard

    def _enter(self, phase: Phase, text: str = "") -> None:
        self._phase = phase
        self._observer(PhaseStarted(phase, text))

    def _beat(self) -> None:
        """What a job adds to the pulse."""
        if self._phase != "prepare":
            self._tell()

    # -- each job's own ---------------------------------------------------------------------------------------

    def _begin(self) -> None:
        """The phone has its job; called once."""

    def _serve(self, request: requests.PhoneRequest) -> None:
        """Carry out a request of the phone."""
        self._files.handle(self._link, request)

    def _take_last_word(self, message: Mapping[object, object]) -> None:
        """Handle the phone's last word: done, or why not."""
        self._finish(message)

    def _refusal(self, code: int, said: str) -> IbackupError:
        """The error for the phone's error code, not yet raised. A job may return a more precise one."""
        return refusal(code, said, context=self._context())

    def _context(self) -> RefusalContext:
        """What is known when the phone refuses."""
        facts = self._phone.facts
        return RefusalContext(
            noun=self._noun,
            ios_version=facts.ios_version,
            job=self.job,
            encrypted=bool(facts.will_encrypt),
            requires_encryption=bool(facts.requires_encryption),
            password_given=self._password_given,
            phone_free_bytes=facts.free_bytes,
        )

    def _cancelled(self) -> Interrupted:
        """The error for a job that was cancelled on the phone."""
        raise NotImplementedError

    def _expects_prompt(self) -> bool:
        """Whether a passcode prompt that appears now belongs to this job."""
        return True

    def _prompt_changes(self, *, stands: bool) -> None:
        """The passcode prompt appeared or is gone."""

    def _tell(self) -> None:
        """Report the progress."""
