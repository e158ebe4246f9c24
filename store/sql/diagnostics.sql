-- diagnostics: What recorders and importers had to say about themselves.
SELECT severity, origin, message, ts FROM diag ORDER BY severity DESC, ts;
