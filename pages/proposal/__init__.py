"""The proposal and the search for a better one."""
