//! What one worker counts by the day and hour in which it happened.
//!
//! Three days are held, each in a place that is used again three days later. So today and yesterday
//! can be read at any moment, and the day before until somebody has written it down.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clients::ClientCounters;
use super::counter::Protocol;
use super::figures::HourCounters;
use super::ledger::Day;
use super::sketch::{Key, LiveSketch};

const DAYS: usize = 3;
const HOURS: usize = 24;

/// What all workers share to know which hour it is and how to hash: read by all, and written as
/// good as never.
#[derive(Debug)]
pub struct Calendar {
    /// Seconds since 1970 at which the tracker's clock stood at zero.
    epoch: AtomicU64,
    /// For the sketches of addresses.
    key: Key,
}

impl Calendar {
    /// A calendar whose clock stood at zero at `epoch`, in seconds since 1970.
    pub fn new(epoch: u64, key: Key) -> Calendar {
        Calendar { epoch: AtomicU64::new(epoch), key }
    }

    /// Corrects it, when the wall clock was found to stand elsewhere. A second more or less is not
    /// worth it: both clocks are read in whole ones.
    pub fn set_epoch(&self, epoch: u64) {
        // Relaxed, here and in `hour`: a lone number.
        if self.epoch.load(Ordering::Relaxed).abs_diff(epoch) > 1 {
            self.epoch.store(epoch, Ordering::Relaxed);
        }
    }

    /// The hour since 1970 in which the tracker's clock shows `secs`.
    fn hour(&self, secs: u32) -> u32 {
        ((self.epoch.load(Ordering::Relaxed) + u64::from(secs)) / 3600) as u32
    }
}

/// The days of one worker, which alone writes them.
#[derive(Debug)]
pub struct Days {
    calendar: Arc<Calendar>,
    /// The hour since 1970 that counts now.
    hour: AtomicU32,
    places: [Place; DAYS],
}

#[derive(Debug, Default)]
struct Place {
    /// Days since 1970; zero while there is none.
    day: AtomicU32,
    hours: [HourCounters; HOURS],
    clients: ClientCounters,
    addresses: LiveSketch,
}

impl Days {
    /// Nothing counted yet.
    pub fn new(calendar: Arc<Calendar>) -> Days {
        Days { calendar, hour: AtomicU32::new(0), places: Default::default() }
    }

    /// From here on what is counted happens when the tracker's clock shows `secs`.
    pub fn turn_to(&self, secs: u32) {
        let hour = self.calendar.hour(secs);
        // Relaxed: only this worker writes it.
        if self.hour.load(Ordering::Relaxed) != hour {
            self.turn(hour);
        }
    }

    #[cold]
    fn turn(&self, hour: u32) {
        let day = hour / HOURS as u32;
        let place = &self.places[day as usize % DAYS];
        // Only this worker writes it.
        if place.day.load(Ordering::Relaxed) != day {
            // Release pairs with the reader's Acquire: who sees the new day, or what is counted in
            // it, sees an empty place. Who still sees the old one looks at a day that nobody asks
            // for any more.
            place.day.store(0, Ordering::Release);
            place.hours.iter().for_each(HourCounters::clear);
            place.clients.clear();
            place.addresses.clear();
            place.day.store(day, Ordering::Release);
        }
        self.hour.store(hour, Ordering::Relaxed);
    }

    /// The hour that counts now.
    pub fn hour(&self) -> &HourCounters {
        let hour = self.hour.load(Ordering::Relaxed) as usize;
        &self.places[hour / HOURS % DAYS].hours[hour % HOURS]
    }

    /// Counts an announce.
    pub fn announced(&self, protocol: Protocol, address: IpAddr, peer_id: &[u8; 20]) {
        let hour = self.hour.load(Ordering::Relaxed) as usize;
        let place = &self.places[hour / HOURS % DAYS];
        place.hours[hour % HOURS].announces(protocol, address).increment();
        place.clients.count(peer_id);
        place.addresses.insert(self.calendar.key, address);
    }

    /// Adds what was counted on a day to it.
    pub fn add_to(&self, day: &mut Day) {
        let place = &self.places[day.number as usize % DAYS];
        if place.day.load(Ordering::Acquire) != day.number {
            return;
        }
        for (hour, counted) in day.hours.iter_mut().zip(&place.hours) {
            hour.add(&counted.read());
        }
        day.clients.merge_live(&place.clients);
        day.addresses.merge_live(&place.addresses);
    }
}
