"""With whom a conversation is held, and what is known about them beforehand."""
