"""The README as the package's page in a registry shows it: each link into this folder becomes a web address.

hatchling runs this for every wheel and sdist. It is part of the build, so it stands on nothing of ours.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"(?P<picture>!?)\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<path>[^)\s]+)\)")


class RegistryReadme(MetadataHookInterface):  # type: ignore[misc] # of a package that only builds need
    """Gives the package its description."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, object]) -> None:
        """Put the README into the package's metadata, with links to the files of this very version."""
        urls, version = metadata["urls"], metadata["version"]
        if not isinstance(urls, dict):
            raise TypeError(urls)

        def absolute(found: re.Match[str]) -> str:
            # A page shows a file to people; a picture has to be the file itself.
            kind = "raw" if found["picture"] else "blob"
            return (
                f"{found['picture']}[{found['text']}]({urls['Homepage']}/{kind}/v{version}/{found['path']})"
            )

        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": _RELATIVE.sub(absolute, text)}
