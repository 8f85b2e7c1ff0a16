//! What no single room can test.
//!
//! - [`architecture`]: the house rules that a reader of the source can check.
//! - [`corpus`]: every input in `fuzz/corpus`, through the check it is for.
//! - [`e2e`]: a whole server, asked over real sockets.
//! - [`site`]: the members' site through its router, without a socket.
//! - [`torrents`]: a torrent from its upload to its end.

mod architecture;
mod corpus;
mod e2e;
mod site;
mod torrents;
