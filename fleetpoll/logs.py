"""One way to log, for people and for machines. Only a process's own start configures it.

Tracebacks are plain: rich's, which structlog would take, show the values of variables, and among them are passwords.
"""

from __future__ import annotations

import logging
import sys

import structlog

from fleetpoll.text import masked, safe, safe_lines


def configure(style: str, level: str) -> None:
    """Log to stderr: `style` is console, json, or auto (console on a terminal, else JSON); `level` is a level's name."""
    console = style == "console" or (style == "auto" and sys.stderr.isatty())
    renderers: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if console
        else [structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            without_secrets,
            *([harmless] if console else []),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def without_secrets(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """No error of a library's, whatever it repeats, brings a password into a log."""
    return {name: masked(value) if isinstance(value, str) else value for name, value in event.items()}


def harmless(_: object, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Nothing that AWS or a user has written reaches a terminal as a command; JSON escapes by itself."""
    return {
        name: (safe_lines if name == "exception" else safe)(value) if isinstance(value, str) else value
        for name, value in event.items()
    }
