"""Synthetic training notes with marked personal data (see README.md)."""
