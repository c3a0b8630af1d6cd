"""The keys of a file's record, as far as they are read, and the lengths of their values.

Facts about the format: docs/format.md, "File records".
"""

# The keys whose values are numbers, in the order of MBFile's fields, then the keys that refer to another
# object.
NUMBERS = (
    *("Size", "Mode", "InodeNumber", "UserID", "GroupID", "LastModified", "LastStatusChange", "Birth"),
    *("ProtectionClass", "Flags"),
)
TEXTS = ("RelativePath", "Target")
BYTES = ("Digest", "EncryptionKey", "ExtendedAttributes")
REQUIRED = ("Size", "Mode")

KEY, DIGEST, TARGET, ODD = 1, 2, 4, 8  # what an outline says about a record
DIGEST_BYTES = 20
KEY_BYTES = 44
