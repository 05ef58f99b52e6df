"""Airflow's hooks, trigger, operator and sensor for AWS Batch, the polling left to the fleet. Needs the extra `airflow`."""
