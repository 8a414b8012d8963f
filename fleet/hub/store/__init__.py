"""What survives the hub's restart: devices, raw telemetry for an hour, roll-ups for a day.

`fleet.hub.store.store.Store` is all of it for others, `rows` what it takes and gives.
"""
