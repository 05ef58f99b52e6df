/** The statuses of jobs, in the order of a job's life, and what each means. */

export const STATUSES = {
  UNSEEN: "tracked, not yet described by AWS",
  SUBMITTED: "AWS has it, and looks at it next",
  PENDING: "waits for other jobs",
  RUNNABLE: "waits for a machine",
  STARTING: "its container is being started",
  RUNNING: "runs",
  SUCCEEDED: "ended well",
  FAILED: "ended with an error",
  LOST: "AWS does not know it, and never showed it; given up",
  EXPIRED: "AWS showed it and does so no more; given up",
  REJECTED: "AWS refuses to describe it",
  UNKNOWN: "a status of another release of fleetpoll",
};

const ENDED = new Set(["SUCCEEDED", "FAILED", "LOST", "EXPIRED", "REJECTED"]);

/** Whether nothing more can happen to a job. */
export const ended = (status) => ENDED.has(status);

/** [status, count] of those that there are, in the order of life. */
export function counted(jobs) {
  const known = Object.keys(STATUSES).filter((status) => jobs[status]);
  const others = Object.keys(jobs).filter((status) => !(status in STATUSES));
  return [...known, ...others].map((status) => [status, jobs[status]]);
}
