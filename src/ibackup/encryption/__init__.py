"""The backup password of a phone: switched on, changed, switched off, kept, and written down for the day of need."""

from ibackup.encryption.change import change
from ibackup.encryption.setting import switch
from ibackup.encryption.types import Answers, NewPassword, Outcome, Request

__all__ = ["Answers", "NewPassword", "Outcome", "Request", "change", "switch"]
