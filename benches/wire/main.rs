//! What `scripts/bench.sh` measures with: responders that do nothing but move bytes, as the floor
//! that a kernel sets, and clients that count and time replies.
//!
//! - [`floor`]: the responders.
//! - [`client`]: the clients.
//! - [`soak`]: clients that break off, for `scripts/soak.sh`.

mod client;
mod floor;
mod soak;

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "wire is started by scripts/bench.sh and scripts/soak.sh:
  wire floor-udp-mmsg PORT     answers on 127.0.0.1 with recvmmsg and sendmmsg
  wire floor-udp-uring PORT    the same with io_uring
  wire floor-http PORT         answers HTTP requests with epoll
  wire udp ADDRESS COUNT WINDOW         announces over UDP, and times the replies
  wire tls ADDRESS COUNT new|resumed    announces over HTTPS, each on a connection of its own
  wire soak UDP HTTP HTTPS SECONDS      announces over all three, and breaks off much of it";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match carry_out(&words) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(error)) => {
            eprintln!("wire: {error}");
            ExitCode::FAILURE
        }
        None => {
            println!("{USAGE}"); // and no failure, since `cargo test --benches` starts it so
            ExitCode::SUCCESS
        }
    }
}

fn carry_out(words: &[&str]) -> Option<io::Result<()>> {
    Some(match words {
        ["floor-udp-mmsg", port] => floor::udp_mmsg(port.parse().ok()?),
        ["floor-udp-uring", port] => floor::udp_uring(port.parse().ok()?),
        ["floor-http", port] => floor::http(port.parse().ok()?),
        ["udp", address, count, window] => {
            let (count, window) = (count.parse().ok()?, window.parse().ok()?);
            client::udp(address.parse::<SocketAddr>().ok()?, count, window)
        }
        ["tls", address, count, how @ ("new" | "resumed")] => {
            let address = address.parse::<SocketAddr>().ok()?;
            client::tls(address, count.parse().ok()?, *how == "resumed")
        }
        ["soak", udp, http, https, seconds] => {
            let [udp, http, https] = [udp, http, https].map(|address| address.parse().ok());
            let tracker = soak::Tracker { udp: udp?, http: http?, https: https? };
            soak::run(tracker, Duration::from_secs(seconds.parse().ok()?))
        }
        _ => return None,
    })
}
