"""WhatsApp: the same pages as of Messages."""

from ibackup.view.conversations.talk_apps import WHATSAPP
from ibackup.view.pages.talk_pages import TalkPages

WAYS = TalkPages(WHATSAPP).ways
