"""Airflow's own tests run where Airflow is: `python3 dev.py test-airflow`. Elsewhere they are not there."""

from __future__ import annotations

import os
import tempfile
from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("airflow.providers") else ["test_*.py"]

os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="fleetpoll-airflow-"))  # before Airflow is imported
