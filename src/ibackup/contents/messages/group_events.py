"""What happened in a conversation without anyone writing: members, names, pictures, places."""

from typing import Final

from ibackup.contents.messages.message_types import GroupEvent, GroupEventKind, Participant

MEMBER, RENAMED, LEFT_OR_LOOK, LOCATION, AUDIO, SHAREPLAY = 1, 2, 3, 4, 5, 6
"""The column ``item_type``; 0 is a message."""
_ADDED, _REMOVED = 0, 1
_LOOKS: Final = {
    0: GroupEventKind.LEFT,
    1: GroupEventKind.PICTURE_CHANGED,
    2: GroupEventKind.PICTURE_REMOVED,
    4: GroupEventKind.BACKGROUND_CHANGED,
    6: GroupEventKind.BACKGROUND_REMOVED,
}


def group_event(
    item: int,
    action: int,
    *,
    actor: Participant,
    subject: Participant | None,
    same: bool,
    name: str,
    stopped: bool,
) -> GroupEvent:
    """What a row of an event says.

    Args:
        item: the column ``item_type``, not 0.
        action: the column ``group_action_type``.
        actor: who did it.
        subject: the person of the column ``other_handle``.
        same: whether both columns name the same row: the person has a new number.
        name: the column ``group_title``.
        stopped: the column ``share_status``: sharing ended.
    """
    kind = GroupEventKind.OTHER
    if item == MEMBER and action in (_ADDED, _REMOVED):
        kind = GroupEventKind.ADDED if action == _ADDED else GroupEventKind.REMOVED
        if same:
            return GroupEvent(GroupEventKind.NUMBER_CHANGED, actor)
        return GroupEvent(kind, actor, subject)
    if item == RENAMED:
        return GroupEvent(GroupEventKind.RENAMED, actor, name=name)
    if item == LEFT_OR_LOOK:
        kind = _LOOKS.get(action, kind)
    elif item == LOCATION:
        kind = GroupEventKind.LOCATION_STOPPED if stopped else GroupEventKind.LOCATION_SHARED
    elif item == AUDIO:
        kind = GroupEventKind.AUDIO_KEPT
    elif item == SHAREPLAY:
        kind = GroupEventKind.SHAREPLAY
    return GroupEvent(kind, actor, code=f"{item}/{action}" if kind is GroupEventKind.OTHER else "")
