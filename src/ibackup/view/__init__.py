"""The web view, ``ibackup open``: pages for one person on this computer, over the jobs and what they read."""
