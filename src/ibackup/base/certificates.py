"""Trusted certificates: the system's, or Mozilla's if Python has none.

Python from python.org has an empty list on macOS until someone runs its "Install Certificates".
"""

import ssl


def web_context(roots: str = "") -> ssl.SSLContext:
    """The context that verifies HTTPS servers.

    Args:
        roots: PEM of the only trusted root certificates; empty: those of the system.
    """
    context = ssl.create_default_context(cadata=roots or None)
    where = ssl.get_default_verify_paths()
    if (
        not roots
        and where.cafile is None
        and where.capath is None
        and not context.cert_store_stats()["x509_ca"]
    ):
        import certifi

        context.load_verify_locations(certifi.where())
    return context
