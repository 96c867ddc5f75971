"""The pattern language: read, compared with what arrived, and the difference shown. `script.match` is its face."""
