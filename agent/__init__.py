"""The daemon on each device: a supervisor and one worker process for each segment."""
