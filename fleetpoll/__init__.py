"""fleetpoll: one fleet of workers that polls AWS Batch for everybody, on one shared API allowance."""
