"""Apps that keep their data in their own cloud, and apps that must stay in the backup (the table in docs/icloud.md)."""

from dataclasses import dataclass

_IF_SIGNED_IN = "if you are signed in there"


@dataclass(frozen=True, slots=True)
class OwnCloud:
    """An app that can be left out of the backup.

    Attributes:
        name: its everyday name.
        condition: what must be true first.
    """

    name: str
    condition: str = _IF_SIGNED_IN


_WHATSAPP = (
    "but only after Chat Backup in WhatsApp's own settings shows a date; that backup also takes "
    "iCloud storage"
)

OWN_CLOUD = {
    # photos, files
    "com.google.photos": OwnCloud("Google Photos"),
    "com.getdropbox.Dropbox": OwnCloud("Dropbox"),
    "com.google.Drive": OwnCloud("Google Drive"),
    "com.microsoft.skydrive": OwnCloud("OneDrive"),
    "net.box.BoxNet": OwnCloud("Box"),
    # music, video
    "com.spotify.client": OwnCloud("Spotify"),
    "com.netflix.Netflix": OwnCloud("Netflix"),
    "com.google.ios.youtube": OwnCloud("YouTube"),
    "com.soundcloud.TouchApp": OwnCloud("SoundCloud"),
    "tv.twitch": OwnCloud("Twitch"),
    "com.hulu.plus": OwnCloud("Hulu"),
    "com.disney.disneyplus": OwnCloud("Disney+"),
    "com.amazon.aiv.AIVApp": OwnCloud("Prime Video"),
    "com.audible.iphone": OwnCloud("Audible"),
    # mail, office, meetings
    "com.google.Gmail": OwnCloud("Gmail"),
    "com.microsoft.Office.Outlook": OwnCloud("Outlook"),
    "com.microsoft.skype.teams": OwnCloud("Teams"),
    "us.zoom.videomeetings": OwnCloud("Zoom"),
    "com.evernote.iPhone.Evernote": OwnCloud("Evernote"),
    # browser, maps
    "com.google.chrome.ios": OwnCloud("Chrome"),
    "com.google.Maps": OwnCloud("Google Maps"),
    # social
    "com.facebook.Facebook": OwnCloud("Facebook"),
    "com.facebook.Messenger": OwnCloud("Messenger"),
    "com.burbn.instagram": OwnCloud("Instagram"),
    "com.zhiliaoapp.musically": OwnCloud("TikTok"),
    "com.toyopagroup.picaboo": OwnCloud("Snapchat"),
    "com.atebits.Tweetie2": OwnCloud("X"),
    "com.reddit.Reddit": OwnCloud("Reddit"),
    "com.hammerandchisel.discord": OwnCloud("Discord"),
    "com.linkedin.LinkedIn": OwnCloud("LinkedIn"),
    # messengers
    "ph.telegra.Telegraph": OwnCloud(
        "Telegram", "if you are signed in there; secret chats are on this phone alone"
    ),
    "net.whatsapp.WhatsApp": OwnCloud("WhatsApp", _WHATSAPP),
    "net.whatsapp.WhatsAppSMB": OwnCloud("WhatsApp Business", _WHATSAPP),
    "com.viber": OwnCloud("Viber", "but only after its own backup shows a date"),
}

_NO_OTHER_COPY = {"org.whispersystems.signal": "Signal"}  # the name for apps that show none on screen


def app_name(bundle: str, told: str = "") -> str:
    """An app's name: from the phone, else from the table, else its identifier."""
    if told and told != bundle:
        return told
    known = OWN_CLOUD.get(bundle)
    return known.name if known else _NO_OTHER_COPY.get(bundle, bundle)
