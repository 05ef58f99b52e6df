"""botocore's waiters on any operation of any client: what is waited for is a configuration, in botocore's own format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.waiter import NormalizedOperationMethod, Waiter, WaiterModel

WAIT_ERRORS = (ClientError, BotoCoreError)
"""How a wait may end badly; a WaiterError is one of them."""

Operation = Callable[..., Any]


def waiter_model(config: dict[str, Any]) -> WaiterModel:
    """The model of a configuration, of which it keeps no part that others could change. Raises WaiterConfigError."""
    return WaiterModel(config)


def make_waiter(model: WaiterModel, name: str, method_of: Callable[[str], Operation]) -> Waiter:
    """A waiter of the model. `method_of` gives the operation to ask with by boto3's name, such as `describe_jobs`.

    Raises ValueError if the model has none of this name.
    """
    config = model.get_waiter(name)
    return Waiter(name, config, NormalizedOperationMethod(method_of(xform_name(config.operation))))
