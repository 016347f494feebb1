"""The benchmark: h2load against us, the peers and nghttpd, in interleaved rounds on one Python."""
