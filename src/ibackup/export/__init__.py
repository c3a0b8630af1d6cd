"""Exports what is in a backup in forms that people and their programs can read.

How it is built: ``exporting.export`` opens the target and calls one function for each chosen kind, from the table in
``kinds``. Such a function gets an ``Export``: it reads with ``ibackup.contents``, and writes through ``export.folder``
alone, which gives out safe names, writes nothing twice, and reports what is in the way. To add a kind, write
``src/ibackup/export/<kind>_export.py`` and a row in ``kinds.KINDS``; the command line, its help and its reference
follow from the row.
"""
