"""The command line: commands, options, exit codes and what is printed."""
