"""WhatsApp: chats and their messages, with media, replies and reactions."""
