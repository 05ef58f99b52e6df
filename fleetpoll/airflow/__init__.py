"""Airflow's hooks, trigger, operator and sensor for AWS Batch, with the polling left to the fleet. Needs the extra `airflow`."""
