"""The conversation over mobilebackup2, from the greeting to the phone's last word: one session for each job."""
