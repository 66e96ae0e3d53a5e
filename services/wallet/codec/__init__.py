"""Domain values to protobuf and back: pure, total, and the only place that knows both."""
