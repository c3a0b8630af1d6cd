"""An icon that starts the web view, where each system keeps its start icons."""
