"""Who the phone is, and whether it trusts this computer: lockdownd, its values, and pairing."""
