"""Measurements of whole fleets: real worker processes, a real server, real boto3; the API side is the witness."""
