"""What a device knows of its own health: readings of its probes, and the problems they show."""
