"""Segments on their way to the device and on its disk: fetched, checked, kept."""
