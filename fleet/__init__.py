"""The cloud side: split, verify, deploy; later profile, plan, roll out and watch."""
