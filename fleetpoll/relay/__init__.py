"""Sends transitions on, to a webhook or to a command: each at least once.

| file      | is for                                                                         |
|-----------|--------------------------------------------------------------------------------|
| `parcels` | what is delivered together, what a sink may answer, what is to be done then    |
| `desk`    | the policy, pure: what goes next, what is tried again and when, what is given up |
| `circuit` | whether it is the sink that fails, and not this or that transition             |
| `webhook` | the sink that is a URL                                                         |
| `hurried` | its connections, which give an answer no more time than it has                 |
| `command` | the sink that is a command                                                     |
| `relay`   | the loop between a consumer group, the desk and the sink                       |
"""
