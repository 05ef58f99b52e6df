"""What Airflow's AwsBatchClientHook and its waiters could do, as plain Python: one job, by its id, until it is over."""
