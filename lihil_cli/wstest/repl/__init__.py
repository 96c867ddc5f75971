"""The terminal side of `lihil ws-test`: a prompt over one or several connections that survive a reload."""
