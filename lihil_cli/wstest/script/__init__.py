"""`.wst` scripts: conversations that look like the screen, run as tests. docs/ws-scripts.md is their reference."""
