"""The commands, one file each: ``add_arguments(parser)`` and ``run(args) -> int``. A file is imported only when it is used."""
