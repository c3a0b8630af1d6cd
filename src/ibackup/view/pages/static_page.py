"""Style sheets, scripts and pictures of ours."""

import mimetypes

from starlette.responses import Response

from ibackup.view import rendering
from ibackup.view.asked import Asked
from ibackup.view.not_shown import NotShown
from ibackup.view.way import Way


def static_file(asked: Asked) -> Response:
    """One of the files; its address has the mark of its content, so that a browser may keep it."""
    data = rendering.static_files().get(asked.path["name"])
    if data is None:
        raise NotShown("There is no file at this address.")
    kind = mimetypes.guess_type(asked.path["name"])[0] or "application/octet-stream"
    return Response(data, media_type=kind)


WAYS = (Way("GET", "/static/{name}", static_file, "data"),)
