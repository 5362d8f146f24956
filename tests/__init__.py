"""The tests. Helpers are imported from this one root, as `tests.FOLDER.FILE`."""
