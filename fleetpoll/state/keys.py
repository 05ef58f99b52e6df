"""Every Redis key and channel of a fleet, made in one place.

All of them carry the hash tag `{fleet}`, so that a fleet sits in one slot of a Redis Cluster and its scripts may touch
all of it, while many fleets spread over the Cluster.

| key              | type    | holds                                                                                 |
|------------------|---------|---------------------------------------------------------------------------------------|
| schedule         | zset    | live job id -> ms when it is due; a leased job's score is its fence (see claim.lua)       |
| ledger           | hash    | job id -> snapshot (JSON array), live and finished                                      |
| counts           | hash    | status -> how many jobs of the ledger have it                                           |
| finished         | zset    | finished job id -> ms when it was settled; the janitor sweeps by it                     |
| events           | stream  | transitions, about `events_kept` of them; and the consumer groups that read them        |
| letters          | stream  | transitions that a relay could not deliver, about 10,000 of them                        |
| totals           | hash    | calls, throttled, failed, ids: DescribeJobs calls since the fleet began; claims; sampled |
| figures          | hash    | histograms of lags, ages and calls, transitions, leases that expired (state/figures.py)  |
| history          | stream  | a sample of all figures every 10 s, for 6 hours: 2 to 3 MB (state/history.py)           |
| broods           | hash    | array whose children are followed -> how far that has come (see brood.lua)              |
| children         | zset    | children of those arrays that are not over; who is not on the schedule sleeps           |
| started          | zset    | those of them that were seen to have started                                            |
| bucket:OPERATION | hash    | the token bucket of one AWS operation (see law.lua)                                     |
| roster           | hash    | worker id -> its last beat                                                              |
| dwell            | hash    | group of jobs -> page: how long they stay in a status (see learn.lua)                  |
| dwelt            | zset    | group -> ms of the last note on its page; the oldest groups are forgotten by it         |
| price            | string  | ln p of the fleet's price of a look (see cadence/learned.py)                            |
| leases           | hash    | worker id -> fence of its last lease                                                    |
| troubles         | hash    | worker id -> how AWS fails it (see trouble.lua); empty while all is well                |
| alarm:KIND       | string  | whether the alarm of that kind of trouble has been raised lately; expires              |
| order            | string  | what the whole fleet is told to do (drain, stop)                                        |
| doorbell         | channel | rings when jobs were tracked ("track"), an order was given ("order") or AWS works again |

All keys but the alarms are permanent: their number does not depend on the number of jobs, and what is in them is trimmed
or swept.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one fleet."""

    fleet: str

    def _key(self, name: str) -> str:
        return f"fleetpoll:{{{self.fleet}}}:{name}"

    @property
    def pattern(self) -> str:
        """What all keys of the fleet match, as globs go, and no other's; the name of a fleet holds no sign of a glob."""
        return self._key("*")

    @property
    def schedule(self) -> str:
        """Zset of live jobs by due time."""
        return self._key("schedule")

    @property
    def ledger(self) -> str:
        """Hash of snapshots."""
        return self._key("ledger")

    @property
    def counts(self) -> str:
        """Hash of jobs per status."""
        return self._key("counts")

    @property
    def finished(self) -> str:
        """Zset of finished jobs by the time they were settled."""
        return self._key("finished")

    @property
    def broods(self) -> str:
        """Hash of the arrays whose children are followed."""
        return self._key("broods")

    @property
    def children(self) -> str:
        """Zset of the children of followed arrays that are not over."""
        return self._key("children")

    @property
    def started(self) -> str:
        """Zset of those children that were seen to have started."""
        return self._key("started")

    @property
    def events(self) -> str:
        """Stream of transitions."""
        return self._key("events")

    @property
    def letters(self) -> str:
        """Stream of dead letters."""
        return self._key("letters")

    @property
    def totals(self) -> str:
        """Hash of call counts."""
        return self._key("totals")

    @property
    def figures(self) -> str:
        """Hash of what the fleet has done since it began."""
        return self._key("figures")

    @property
    def history(self) -> str:
        """Stream of samples of the figures."""
        return self._key("history")

    @property
    def roster(self) -> str:
        """Hash of the workers' last beats."""
        return self._key("roster")

    @property
    def dwell(self) -> str:
        """Hash of what is known of dwell times."""
        return self._key("dwell")

    @property
    def dwelt(self) -> str:
        """Zset of the groups of `dwell` by their last notes."""
        return self._key("dwelt")

    @property
    def price(self) -> str:
        """String with the price of a look."""
        return self._key("price")

    @property
    def leases(self) -> str:
        """Hash of the fences of the workers' last leases."""
        return self._key("leases")

    @property
    def troubles(self) -> str:
        """Hash of the workers that AWS fails."""
        return self._key("troubles")

    def alarm(self, mark: str) -> str:
        """String with the state of the alarm of one kind of trouble."""
        return self._key(f"alarm:{mark}")

    @property
    def order(self) -> str:
        """String with the order to the whole fleet."""
        return self._key("order")

    @property
    def doorbell(self) -> str:
        """Channel that wakes idle workers."""
        return self._key("doorbell")

    def bucket(self, operation: str) -> str:
        """Hash of the token bucket of one AWS operation."""
        return self._key(f"bucket:{operation}")
