"""Phones on the Wi-Fi network, found and dialled without usbmuxd."""
