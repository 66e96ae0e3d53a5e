"""Between messages and the domain's values, in both directions: pure, and the only place that knows both."""
