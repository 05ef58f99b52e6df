"""AWS Batch. The only place that imports boto3: one call is one HTTP request, every failure has one of four names."""
