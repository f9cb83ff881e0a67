"""The command line of tsprompt: one thin file per command. Nothing heavy is imported here."""
