"""The command line: every command parses, makes one call of the library, and renders what it returns.

| file        | is for                                                                        |
|-------------|-------------------------------------------------------------------------------|
| `__main__`  | the entrance                                                                  |
| `root`      | the global options, and the table of commands                                 |
| `later`     | commands whose module is loaded when they are used                            |
| `options`   | options that several commands have, and options that are settings             |
| `reading`   | job ids from arguments, files and standard input                              |
| `render`    | JSON lines, tables, messages; makes other people's text harmless to terminals |
| `exits`     | all exit codes                                                                |

The rest is one file a command, or a group of sisters. Standard output carries results and nothing else; messages,
notes and progress go to standard error.
"""
