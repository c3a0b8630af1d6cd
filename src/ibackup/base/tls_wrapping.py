"""Puts TLS on a socket whose other end may be gone already, and leaves nothing open then."""

import socket
import ssl
import traceback


def wrapped(context: ssl.SSLContext, sock: socket.socket, *, server_side: bool = False) -> ssl.SSLSocket:
    """The socket with TLS before its handshake. Raises OSError, with nothing left open."""
    try:
        return context.wrap_socket(sock, server_side=server_side, do_handshake_on_connect=False)
    except OSError as error:
        # If the other end has reset the connection by now, Python leaves a socket open that nobody can reach otherwise.
        for frame, _ in traceback.walk_tb(error.__traceback__):
            half_made = frame.f_locals.get("self")
            if isinstance(half_made, ssl.SSLSocket):
                half_made.close()
        raise
