"""Models behind a server: checks, careful clients, secrets that are written nowhere."""
