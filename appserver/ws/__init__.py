"""WebSocket (RFC 6455) without sockets: the handshake, frames, compression, and one session over a `contract.Stream`."""
