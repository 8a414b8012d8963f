"""``fleet.yaml``: devices and links as somebody described them, beside what was measured."""
