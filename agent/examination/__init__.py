"""What the doctor looks at and with what; its checks are in `agent/doctor/`."""
