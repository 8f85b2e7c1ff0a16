//! Work that is done on a tick, beside the traffic: one file a job, each safe to run twice.

pub mod expire_events;
pub mod expire_sessions;
pub mod keep_registered;
pub mod reload_lists;
pub mod renew_certificate;
pub mod save_state;
pub mod sweep_swarms;
pub mod take_snapshots;
pub mod turn_days;
pub mod watch;
