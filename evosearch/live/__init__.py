"""What a search shows of itself: to whoever waits for it, and to whoever looks in from another terminal."""
