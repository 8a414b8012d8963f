"""The writer of the control plane: reads what devices say, decides, orders, watches."""
