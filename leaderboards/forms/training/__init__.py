"""The table of what was trained: boards enter, cells leave. Called by the forms, and by the harness for reports and cards."""
