-- An index of the jobs of one fleet, and what has happened to each: a private database that is gone with its process.
-- Times are epoch ms; statuses are numbers in the order of a job's life (see jobs.JobStatus).
CREATE TABLE jobs (
    row INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL UNIQUE,
    status INTEGER NOT NULL,
    job_name TEXT NOT NULL,
    job_queue TEXT NOT NULL,
    job_definition TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    stopped_at INTEGER NOT NULL,
    tracked_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    print INTEGER NOT NULL,  -- hash of the record in the ledger: whether it is still the same
    round INTEGER NOT NULL,  -- the last round of the ledger in which it was there
    words TEXT NOT NULL      -- what is searched, in lower case
);
-- By what tables are mostly sorted; the order by anything else is found by a scan. The status comes first: those that are
-- asked for are merged, and how many there are of each is known.
CREATE INDEX by_changed_at ON jobs (status, changed_at);
CREATE INDEX by_created_at ON jobs (status, created_at);
CREATE INDEX by_job_name ON jobs (status, job_name);
CREATE TABLE steps (
    ms INTEGER NOT NULL,
    number INTEGER NOT NULL,
    job_id TEXT NOT NULL,
    step TEXT NOT NULL,
    PRIMARY KEY (ms, number)
) WITHOUT ROWID;
CREATE INDEX by_job ON steps (job_id);
