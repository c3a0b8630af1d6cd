"""Messages: what was said, by whom and when; what was edited, unsent or deleted since."""

from ibackup.view.conversations.talk_apps import MESSAGES
from ibackup.view.pages.talk_pages import TalkPages

WAYS = TalkPages(MESSAGES).ways
