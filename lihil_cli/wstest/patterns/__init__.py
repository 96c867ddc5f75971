"""The pattern language: read, compared with what arrived, and the difference shown. `match` is its face."""
