"""One module a kind of file, each run in the worker only: ``probe``, ``thumbnail`` and ``understand`` of a job."""
