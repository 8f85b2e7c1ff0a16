//! Request line and header fields of HTTP/1.
