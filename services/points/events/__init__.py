"""What the service hears from others by events: nothing yet. The wallet's checkouts will be."""
