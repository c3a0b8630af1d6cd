"""Windows: a toast, through the ToastNotificationManager of Windows 10 and later and its PowerShell."""

from ibackup.base.programs import powershell

# A toast needs the id of a registered application; PowerShell's own is on every system.
_APP = r"{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\WindowsPowerShell\v1.0\powershell.exe"
_SCRIPT = f"""
[Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime] | Out-Null
$kind = [Windows.UI.Notifications.ToastTemplateType]::ToastText02
$toast = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent($kind)
$texts = $toast.GetElementsByTagName('text')
$texts.Item(0).AppendChild($toast.CreateTextNode($env:IBACKUP_TOAST_TITLE)) | Out-Null
$texts.Item(1).AppendChild($toast.CreateTextNode($env:IBACKUP_TOAST_TEXT)) | Out-Null
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier('{_APP}').Show($toast)
"""


def program(title: str, text: str, *, urgent: bool) -> tuple[list[str], dict[str, str]]:  # noqa: ARG001 - it knows no urgency
    """The command that shows it; texts go through the environment and are never part of the script."""
    return [*powershell(_SCRIPT)], {"IBACKUP_TOAST_TITLE": title, "IBACKUP_TOAST_TEXT": text}
