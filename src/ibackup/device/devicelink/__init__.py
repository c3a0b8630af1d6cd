"""DeviceLink, the channel below mobilebackup2: its bytes and the phone's requests."""
