"""`make demo`: a real proxy before the app server, proved by the probes of `proxyconf verify`."""
