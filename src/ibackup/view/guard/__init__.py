"""Who may use the view: entry, browser sessions, checks of each request, limits."""
