"""Taking over the data of the earlier service, which was written with FastAPI: see docs/migration.md."""
