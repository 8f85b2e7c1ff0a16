//! A whole server on loopback, asked over real sockets.
