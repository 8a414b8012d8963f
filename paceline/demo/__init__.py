"""``paceline demo``: a broker, an artifact server and agents on loopback, and a real model."""
