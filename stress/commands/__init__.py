"""The commands, one module each: `add_arguments` and `run`. Imported only when their command is given."""
