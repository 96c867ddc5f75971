"""The lihil command line: scaffold, serve, talk."""
