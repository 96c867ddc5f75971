"""HTTP: routes by method, the life of one request, responses, streams of events."""
