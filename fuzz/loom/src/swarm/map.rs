//! `src/swarm/map` over another memory.

#[path = "../../../../src/swarm/map/grow.rs"]
pub mod grow;
pub mod memory;
#[path = "../../../../src/swarm/map/peers.rs"]
pub mod peers;
#[path = "../../../../src/swarm/map/shape.rs"]
pub mod shape;
#[path = "../../../../src/swarm/map/table.rs"]
pub mod table;
