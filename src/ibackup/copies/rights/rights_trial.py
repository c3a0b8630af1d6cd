"""Chooses how the rights to a copy of restic's are tried: as directly as its place allows."""

import os

from ibackup.copies.restic_program import ResticProgram
from ibackup.copies.rights.copy_rights import RightsTrial
from ibackup.copies.rights.folder_trial import try_in_folder
from ibackup.copies.rights.rest_trial import try_on_rest
from ibackup.copies.rights.restic_trial import try_by_restic
from ibackup.copies.rights.s3_signing import S3Keys
from ibackup.copies.rights.s3_trial import try_on_s3


def try_rights(program: ResticProgram) -> RightsTrial:
    """Try what a thief would, on an object of its own.

    Raises:
        CopyMissing: the copy is not there.
        IbackupError: nothing can be added there.
    """
    address = program.address
    if address.kind == "folder":
        return try_in_folder(address.path)
    if address.kind == "rest":
        return try_on_rest(address, program.variables)
    variables = dict(os.environ) | dict(program.variables)
    keys, place = S3Keys.found_in(variables), address.bucket
    return try_on_s3(place, keys, variables) if place and keys else try_by_restic(program)
