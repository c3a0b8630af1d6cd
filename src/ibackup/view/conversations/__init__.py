"""Conversations as pages show them: of Messages and of WhatsApp alike, window by window."""
