"""The folder for what can be fetched or made again, which the system or the user may empty at any time."""


def cache_dir() -> str:
    """This user's folder; it may not exist."""
    import platformdirs

    return platformdirs.user_cache_dir("ibackup", appauthor=False)
