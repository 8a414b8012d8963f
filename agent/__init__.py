"""What runs on each device: a supervisor and one worker process for each segment."""

import sys

from agent.plain_structlog import PlainStructlog

sys.meta_path.insert(0, PlainStructlog())
