"""What ibackup does: each job reports to an observer and prints nothing."""
