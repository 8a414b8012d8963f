"""The child ``python -I -m agent link``: one end of a link that is measured between two devices."""
