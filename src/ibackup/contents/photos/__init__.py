"""Photos and videos: the library, its albums, and which of its files a backup really has."""
