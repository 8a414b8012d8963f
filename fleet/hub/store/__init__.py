"""What survives the hub's restart: devices, raw telemetry for an hour, roll-ups for a day."""
