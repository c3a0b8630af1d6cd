"""com.apple.mobile.notification_proxy: computers listen to the phone's notifications and post their own."""

from ibackup.simulator.framed_plists import Message, read_message, write_message
from ibackup.simulator.stream import Mailbox, Stream
from ibackup.simulator.virtual_phone import VirtualPhone


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends or asks for Shutdown."""
    heard: Mailbox[str] = Mailbox()
    try:
        while True:
            while not stream.wait(mailbox=heard):
                _relay(stream, heard)
            if not _answer(stream, phone, read_message(stream), heard):
                return
    finally:
        phone.hub.forget(heard.put)
        heard.close()


def _relay(stream: Stream, heard: Mailbox[str]) -> None:
    for name in heard.take_all():
        write_message(stream, {"Command": "RelayNotification", "Name": name})


def _answer(stream: Stream, phone: VirtualPhone, message: Message, heard: Mailbox[str]) -> bool:
    """Do what one message asks; False if it was the last."""
    command, name = message.get("Command"), message.get("Name")
    if command == "ObserveNotification" and isinstance(name, str):
        phone.hub.observe(name, heard.put)
        phone.journal.add("observed", name)
    elif command == "PostNotification" and isinstance(name, str):
        phone.posted(name)
    elif command == "Shutdown":
        _relay(stream, heard)
        write_message(stream, {"Command": "ProxyDeath"})
        return False
    return True
