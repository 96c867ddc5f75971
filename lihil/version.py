"""The one place where the version stands; read it from here, never through package metadata (slow)."""

VERSION = "1.0.0"
