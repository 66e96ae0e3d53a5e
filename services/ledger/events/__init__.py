"""What comes in from Kafka and what goes out to it."""
