"""From an address to messages: over a wire, or to an app in this process."""
