"""The gRPC API: translate, decide nothing."""
