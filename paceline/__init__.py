"""The front door: the command line, and what an application imports to feed a pipeline."""
