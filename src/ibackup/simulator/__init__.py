"""The virtual iPhone: usbmuxd, lockdownd and the services a backup needs, as real clients expect them.

    with serve(VirtualPhone(demo_spec())) as server:
        print(server.address)

A phone is described by a PhoneSpec, lives in a VirtualPhone, and is reached through a Server.
"""
