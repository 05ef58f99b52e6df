"""A client of the control endpoints, for tests, demos and benchmarks."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from fleetpoll.errors import FleetpollError
from fleetpoll.simulator.config import Fault
from fleetpoll.simulator.orders import PREFIX

TIMEOUT_S = 120.0


class ControlClient:
    """Speaks to a simulator's control endpoints about one account, the default one unless one is named.

    One connection per order, so that any thread may use it.
    """

    def __init__(self, url: str, account_id: str = "", region: str = "") -> None:
        self.url = url
        self._place = "?" + urlencode({"account": account_id, "region": region}) if account_id or region else ""

    def account(self, account_id: str, region: str) -> ControlClient:
        """A client for another account in some Region; it is there from its first order or call on."""
        return ControlClient(self.url, account_id, region)

    def accounts(self) -> list[dict[str, Any]]:
        """The `stats` of all accounts that were met, the default one first: whose they are is in each."""
        figures: list[dict[str, Any]] = self._order("GET", "accounts")
        return figures

    def reset_accounts(self) -> None:
        """Begin a new measuring window in all of them."""
        self._order("POST", "accounts/reset-stats", {})

    def populate(self, count: int, **fields: Any) -> list[str]:
        """Create jobs at once and return their ids; see `orders.Populate` for the fields."""
        ids: list[str] = self._order("POST", "populate", {"count": count, **fields})
        return ids

    def stats(self) -> dict[str, Any]:
        """What the witness saw since the window began."""
        figures: dict[str, Any] = self._order("GET", "stats")
        return figures

    def reset_stats(self) -> None:
        """Begin a new measuring window."""
        self._order("POST", "reset-stats", {})

    def truth(self, ids: list[str] | None = None) -> dict[str, tuple[str, int]]:
        """The true status of these jobs (or all) now, and when they stopped in epoch ms, 0 if they did not."""
        truths = self._order("POST", "truth", {} if ids is None else {"ids": ids})
        return {job_id: (status, stopped_ms) for job_id, (status, stopped_ms) in truths.items()}

    def live(self) -> int:
        """How many jobs have not ended."""
        return int(self._order("GET", "live"))

    def limit(self, operation: str, rate: float, burst: float = 1.0) -> None:
        """Change an operation's allowance from now on; a rate of 0 lifts it."""
        self._order("POST", "limits", {"operation": operation, "rate": rate, "burst": burst})

    def disturb(
        self,
        operation: str,
        *,
        reject_share: float | None = None,
        tenant_rate: float | None = None,
        retry_after_ms: int | None = None,
        faults: Mapping[Fault, float] | None = None,
    ) -> None:
        """Change what disturbs an operation from now on; what is not given stays. See `config.Disturbance`."""
        changes = {
            "reject_share": reject_share,
            "tenant_rate": tenant_rate,
            "retry_after_ms": retry_after_ms,
            "faults": faults,
        }
        self._order("POST", "disturb", {"operation": operation, **changes})

    def _order(self, method: str, order: str, body: Any = None) -> Any:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT_S)
        try:
            connection.request(method, PREFIX + order + self._place, None if body is None else msgspec.json.encode(body))
            response = connection.getresponse()
            answer = msgspec.json.decode(response.read())
        finally:
            connection.close()
        if response.status >= 300:  # noqa: PLR2004 - the first status that is not success
            raise FleetpollError(f"the simulator refused {order}: {answer['message']}")
        return answer
