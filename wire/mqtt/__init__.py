"""MQTT for frames, spoken by ourselves: packets, an incremental reader, a connection."""
