"""What is measured: under which limit, with how many jobs, against whom, and for how long."""
