"""Push, chat and mail, through apprise: the optional extra ``notify``."""

import logging
from collections.abc import Sequence

from ibackup.base.programs import installing
from ibackup.config.effective_settings import APPRISE
from ibackup.jobs.nights.telling.message_texts import Message

# Their log messages may contain addresses, and logging's last resort would print them.
_CHATTY = ("apprise", "urllib3", "requests", "charset_normalizer", "asyncio")


def send(message: Message, urls: Sequence[str]) -> str:
    """Send a message to every address; a sentence about what went wrong, without any address, or nothing."""
    try:
        import apprise
    except ImportError:
        return f"Messages cannot be sent: apprise is not installed. Install it: {installing(APPRISE)}"
    for name in _CHATTY:
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False
    kind = apprise.NotifyType.WARNING if message.urgent else apprise.NotifyType.INFO
    failed: list[str] = []
    for url in urls:
        scheme = url.partition("://")[0]
        try:
            target = apprise.Apprise()
            delivered = target.add(url) and target.notify(
                # Plain text, which apprise escapes for services with markup, because names in it come from phones.
                body=message.text,
                title=message.title,
                body_format=apprise.NotifyFormat.TEXT,
                notify_type=kind,
            )
        except Exception as error:  # noqa: BLE001 - a hundred services, each with its own errors; none may stop a backup
            failed.append(f"{scheme} ({type(error).__name__})")
        else:
            if not delivered:
                failed.append(scheme)
    return (
        f"The message {message.title!r} could not be delivered through {', '.join(failed)}." if failed else ""
    )
