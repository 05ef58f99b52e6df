"""The pretend AWS Batch: accounts in Regions, spoken to over real HTTP by real SDKs, which counts what it saw.

It exists because rate, scale and lag cannot be tried on AWS or on moto: 100,000 jobs, a token bucket per
operation, and a witness that stands on the API's side of the wire and owes nothing to the poller's own figures.

There is one account in one Region, the default one, for all who do not care. A key `AKIASIMU` and twelve digits is of
the account with that number; with the Region that the SDK signs for, it names an account that is made when it is first
met, and has limits, disturbances, jobs and a witness of its own. STS is at the same address (`AWS_ENDPOINT_URL_STS`):
AssumeRole gives keys `ASIASIMU…` of the role's account, with an external id if one is configured, and for as long as
configured.

Faithful (held by tests against botocore's own shapes and, where moto can, against moto):

- the wire: rest-json, keep-alive, `x-amzn-ErrorType`, `x-amzn-RequestId`, AWS's codes and texts for a 101st id and
  for throttled calls;
- a true token bucket per operation (starts full, refills continuously): 429 `TooManyRequestsException`; if asked for,
  with `x-amz-retry-after`, with other tenants who drink from the bucket, and with calls that are throttled at random;
- unknown ids are left out; a new job may be invisible for a moment; finished jobs vanish after the retention time;
- faults, if asked for: connections that are reset, answers that are lost, cut, slow or not AWS's, denials, 5xx;
- lives: SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, then SUCCEEDED or FAILED; failed attempts go back to
  RUNNABLE; a job that fails has used all its attempts; `createdAt`, `startedAt`, `stoppedAt` are exact to the plan
  of the job's life; jobs of several definitions side by side, whose runs and waits are log-normal as real ones are, and
  which may be met at any moment of their lives;
- array jobs: `parent:index`, `statusSummary`, a parent that is PENDING while its children run;
- credentials: temporary ones are refused without their token and after their time, which takes no token of a bucket;
- TerminateJob, CancelJob (no effect on STARTING and RUNNING jobs), ListJobs by queue or array, in pages.

Not faithful: signatures, permissions, queues and job definitions are not checked; anybody may assume any role;
`dependsOn`, `timeout` and `evaluateOnExit` are accepted and not acted on; no EKS; job ARNs are not ids here; capacity
is endless; terminating takes effect at once; a job between two attempts has no `startedAt`; refusals other than that of
a 101st id are in our words; nothing survives the process.

The rooms: `laws` and `stages` (what is drawn) → `lifecycle` (pure: a job's life) → `records` (a job) → `population` (all
jobs), `descriptions` (their JSON) and `mix` (kinds of jobs) → `account` (with `gates` before `buckets`, and the `witness`
of `calls`) → `accounts` (by the `credentials` of who calls) → `operations` (the API), `sts` and `orders` (the control
endpoints) → `server` (HTTP, from `wire`, and the `faults` done to it). `flags` is its command line. For those who use it:
`control`, a client of the control endpoints, and `process`, the server as a child process.
"""
