"""Logs go to stderr: readable on a terminal, JSON elsewhere (journald keeps them as they are)."""

import logging
import os
import sys
from typing import Final

import structlog

FORMAT_VARIABLE: Final = "PACELINE_LOG_FORMAT"
LEVEL_VARIABLE: Final = "PACELINE_LOG_LEVEL"


def configure(log_format: str, level: str) -> None:
    """Set up structlog for this process and, by the environment, for its workers."""
    os.environ[FORMAT_VARIABLE] = log_format
    os.environ[LEVEL_VARIABLE] = level
    console = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def configure_from_environment() -> None:
    """Set up a worker's logs as its supervisor's are."""
    configure(os.environ.get(FORMAT_VARIABLE, "auto"), os.environ.get(LEVEL_VARIABLE, "info"))
