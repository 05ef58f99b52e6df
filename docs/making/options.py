"""docs/reference/settings.md: every setting, with its type, default, unit and bounds, and what the model says of it."""

from __future__ import annotations

import inspect
import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from docs.making.comments import beside
from fleetpoll import settings

HEAD = """# Settings

<!-- Made by `python3 dev.py docs` from fleetpoll/settings.py. -->

Each setting is a key of the TOML file (`--config FILE` or `FLEETPOLL_CONFIG`) and a variable `FLEETPOLL_<NAME>`. Some are
options of commands as well. The later of these wins:

```text
defaults  <  top of the file  <  environment  <  section of the fleet  <  options
```

*Scope*: a setting of a **fleet** may stand in its section `[fleets.NAME]` of the file; one that is **common** stands at the
top, for it belongs to processes that serve all fleets ([many fleets](../many-fleets.md)). A variable that is set but empty
counts as not set. What is misspelt is refused, with the nearest word.
"""
TAIL = """
## What goes together

These are refused when settings are made, with a sentence that says what to change:

- `visibility` is longer than `token_wait` + `connect_timeout` + `read_timeout` + `margin`: a lease that ends during its own
  call makes a second call for the same jobs.
- `stuck_after` is longer than `connect_timeout` + `read_timeout`: else healthy workers are replaced.
- `rate_min` and `rate_start` are at most `rate`.
- `external_id` goes with `role_arn`.
- `weights` and `freshness_by_status` name statuses in which a job is not over: {statuses}. In the environment such a
  table is `NAME=VALUE NAME=VALUE`.

`weights` without a word of yours: {weights}.
"""
TITLES = {
    "redis_url": "Redis and the fleet",
    "region": "AWS",
    "rate": "The allowance",
    "cadence": "When to look",
    "share": "Processes",
    "events_kept": "What is kept",
    "log_format": "Logs",
}
"""The setting that begins each part."""
RATES = {"rate", "rate_min", "rate_start", "submit_rate", "terminate_rate", "cancel_rate", "list_rate"}
UNITS = dict.fromkeys(RATES, "calls/s") | {"burst": "tokens", "share": "", "weights": "", "workers": "processes"}
UNITS |= {"events_kept": "transitions", "missing_checks": "answers", "replicas_acked": "replicas"}
SECONDS = {float: "s"}
FORM = re.compile(r"(\S*(?:://|&)\S*?)(?=[.,;:]?(?:\s|$))")
"""A URL's form, or a part of one."""
PLAIN = {bool: "true or false", str: "text", int: "whole number", float: "number", dict: "table of numbers"}


def page() -> str:
    """All settings, in the order of the model."""
    said = beside(inspect.getsource(settings), "Settings")
    parts = [HEAD]
    for field in settings.FIELDS:
        if field.name in TITLES:
            parts.append(f"\n## {TITLES[field.name]}\n")
        parts.append(entry(field, said[field.name]))
    usual = ", ".join(f"`{name}={value:g}`" for name, value in settings.WEIGHTS.items())
    tail = TAIL.format(statuses=", ".join(settings.LIVE_STATUSES), weights=usual)
    return "".join(parts) + tail


def entry(field: msgspec.structs.FieldInfo, said: str) -> str:
    """One setting."""
    scope = "common" if field.name in settings.SHARED else "fleet"
    facts = [kind(field), f"default {default(field)}", f"scope {scope}", f"`FLEETPOLL_{field.name.upper()}`"]
    return f"\n### {field.name}\n\n{' · '.join(facts)}\n\n{sentence(said)}\n"


def sentence(text: str) -> str:
    """A comment as a sentence; forms of URLs in code, that no page takes for markup."""
    shown = FORM.sub(r"`\1`", text)
    return (shown[:1].upper() + shown[1:]).rstrip(".") + "."


def kind(field: msgspec.structs.FieldInfo) -> str:
    """Type, unit and bounds, in words."""
    base, bounds = taken_apart(field.type)
    if get_origin(base) is Literal:
        return "one of " + ", ".join(f"`{word}`" for word in get_args(base))
    plain = get_origin(base) or base
    unit = UNITS.get(field.name, SECONDS.get(plain, "s" if plain is dict else ""))
    return ", ".join([PLAIN[plain] + (f" in {unit}" if unit else ""), *bounds])


def taken_apart(form: Any) -> tuple[Any, list[str]]:
    """The type without None and without its bounds, and these in words."""
    if get_origin(form) is Annotated:
        base, *metas = get_args(form)
        inner, bounds = taken_apart(base)
        return inner, bounds + [word for meta in metas for word in bounds_of(meta)]
    if get_origin(form) in {Union, UnionType}:
        return taken_apart(next(part for part in get_args(form) if part is not NoneType))
    return form, []


def bounds_of(meta: msgspec.Meta) -> list[str]:
    """What a value must be, in words."""
    signs = [(">", meta.gt), ("≥", meta.ge), ("<", meta.lt), ("≤", meta.le)]
    pattern = [] if meta.pattern is None else ["matches `" + meta.pattern.removeprefix("^").removesuffix(r"\Z") + "`"]
    return [f"{sign} {bound:g}" for sign, bound in signs if bound is not None] + pattern


def default(field: msgspec.structs.FieldInfo) -> str:
    """The default as one would write it in the environment; none where there is none."""
    value = field.default_factory() if callable(field.default_factory) else field.default
    if isinstance(value, dict):
        return f"`{' '.join(f'{name}={number:g}' for name, number in value.items())}`" if value else "none"
    return "none" if value is None else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
