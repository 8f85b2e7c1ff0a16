//! The bytes of the block of figures: what was counted, by day and in all.
//!
//! ```text
//! figures    key 16 │ since 8 │ before yesterday: sums, clients, addresses │ number of today 4 │
//!            yesterday: day │ today: day │ past days 1 │ past day …
//! sums       10 numbers 8, in the order of `Figures::words`
//! day        hours that follow 1 │ hour … │ clients │ addresses
//! hour       hour of the day 1 │ sums
//! clients    kinds that follow 2 │ kind …
//! kind       place in the table 2 │ announces 8
//! addresses  registers that follow 2 │ register …, or 65535 2 │ all 4096 registers 1
//! register   place 2 │ rank 1
//! past day   days since 1970 4 │ announces 8
//! ```
//!
//! What is zero is left out, and every list is in order; there is one way to write each ledger.

use super::format::Fields;
use crate::stats::clients::{Clients, Code};
use crate::stats::figures::Figures;
use crate::stats::ledger::{Day, Ledger, PAST_DAYS_MAX, PastDay, Tally};
use crate::stats::sketch::{REGISTERS, Sketch};

/// Kinds of software that are kept for a day, and for all days: of more, those with the fewest
/// announces are left out.
const CLIENTS_MAX: usize = 1_000;
/// Registers from which on all of them are written: at 3 bytes each they would take more.
const DENSE: usize = REGISTERS / 3 + 1;
const ALL: u16 = u16::MAX;

const SUMS: usize = Figures::WORDS * 8;
const CLIENTS: usize = 2 + CLIENTS_MAX * 10;
const ADDRESSES: usize = 2 + REGISTERS;
const DAY: usize = 1 + 24 * (1 + SUMS) + CLIENTS + ADDRESSES;
/// Longest payload: 48,001 bytes.
pub const PAYLOAD_MAX: usize =
    16 + 8 + SUMS + CLIENTS + ADDRESSES + 4 + 2 * DAY + 1 + PAST_DAYS_MAX * 12;

/// Appends a ledger.
pub fn encode(ledger: &Ledger, out: &mut Vec<u8>) {
    ledger.key.iter().for_each(|half| out.extend(half.to_be_bytes()));
    out.extend(ledger.since.to_be_bytes());
    encode_sums(&ledger.before.figures, out);
    encode_clients(&ledger.before.clients, out);
    encode_addresses(&ledger.before.addresses, out);
    out.extend(ledger.today.number.to_be_bytes());
    encode_day(&ledger.yesterday, out);
    encode_day(&ledger.today, out);
    out.push(ledger.past.len().min(PAST_DAYS_MAX) as u8);
    for day in ledger.past.iter().take(PAST_DAYS_MAX) {
        out.extend(day.number.to_be_bytes());
        out.extend(day.announces.to_be_bytes());
    }
}

fn encode_sums(figures: &Figures, out: &mut Vec<u8>) {
    figures.words().iter().for_each(|word| out.extend(word.to_be_bytes()));
}

fn encode_day(day: &Day, out: &mut Vec<u8>) {
    let busy = || (0_u8..).zip(&day.hours).filter(|(_, hour)| **hour != Figures::default());
    out.push(busy().count() as u8);
    for (hour, figures) in busy() {
        out.push(hour);
        encode_sums(figures, out);
    }
    encode_clients(&day.clients, out);
    encode_addresses(&day.addresses, out);
}

fn encode_clients(clients: &Clients, out: &mut Vec<u8>) {
    let mut kinds: Vec<_> = clients.each().collect();
    kinds.sort_by_key(|(code, announces)| (std::cmp::Reverse(*announces), *code));
    kinds.truncate(CLIENTS_MAX);
    kinds.sort_by_key(|(code, _)| *code);
    out.extend((kinds.len() as u16).to_be_bytes());
    for (code, announces) in kinds {
        out.extend(code.place().to_be_bytes());
        out.extend(announces.to_be_bytes());
    }
}

fn encode_addresses(sketch: &Sketch, out: &mut Vec<u8>) {
    let set = || (0_u16..).zip(sketch.registers()).filter(|(_, rank)| **rank > 0);
    if set().count() >= DENSE {
        out.extend(ALL.to_be_bytes());
        return out.extend(sketch.registers());
    }
    out.extend((set().count() as u16).to_be_bytes());
    for (place, rank) in set() {
        out.extend(place.to_be_bytes());
        out.push(*rank);
    }
}

/// Reads a ledger; `None` when [`encode`] cannot have written it.
pub fn decode(payload: &[u8]) -> Option<Ledger> {
    let mut fields = Fields(payload);
    let key = [fields.u64()?, fields.u64()?];
    let since = fields.u64()?;
    let before = Tally {
        figures: decode_sums(&mut fields)?,
        clients: decode_clients(&mut fields)?,
        addresses: decode_addresses(&mut fields)?,
    };
    let today = fields.u32()?;
    // On the first day of all, yesterday has the same number: see `Ledger::new`.
    let yesterday = decode_day(today.saturating_sub(1), &mut fields)?;
    let today = decode_day(today, &mut fields)?;
    let days = fields.u8().filter(|days| usize::from(*days) <= PAST_DAYS_MAX)?;
    let mut ledger = Ledger { key, since, before, yesterday, today, past: [].into() };
    for _ in 0..days {
        let day = PastDay { number: fields.u32()?, announces: fields.u64()? };
        let is_next = ledger.past.back().is_none_or(|last| last.number < day.number);
        if !is_next || day.number >= ledger.yesterday.number {
            return None;
        }
        ledger.past.push_back(day);
    }
    fields.0.is_empty().then_some(ledger)
}

fn decode_sums(fields: &mut Fields<'_>) -> Option<Figures> {
    let mut words = [0; Figures::WORDS];
    for word in &mut words {
        *word = fields.u64()?;
    }
    Some(Figures::from_words(words))
}

fn decode_day(number: u32, fields: &mut Fields<'_>) -> Option<Day> {
    let mut day = Day::new(number);
    let mut next = 0;
    for _ in 0..fields.u8()? {
        let hour = fields.u8().filter(|hour| *hour >= next && *hour < 24)?;
        next = hour + 1;
        let figures = decode_sums(fields).filter(|figures| *figures != Figures::default())?;
        day.hours[usize::from(hour)] = figures;
    }
    day.clients = decode_clients(fields)?;
    day.addresses = decode_addresses(fields)?;
    Some(day)
}

fn decode_clients(fields: &mut Fields<'_>) -> Option<Clients> {
    let kinds = fields.u16().filter(|kinds| usize::from(*kinds) <= CLIENTS_MAX)?;
    let mut clients = Clients::default();
    let mut last = None;
    for _ in 0..kinds {
        let code = Code::at(fields.u16()?).filter(|code| last.is_none_or(|last| last < *code))?;
        clients.add(code, fields.u64().filter(|announces| *announces > 0)?);
        last = Some(code);
    }
    Some(clients)
}

fn decode_addresses(fields: &mut Fields<'_>) -> Option<Sketch> {
    let count = fields.u16()?;
    let mut registers = [0; REGISTERS];
    if count == ALL {
        registers = fields.array()?;
        let set = registers.iter().filter(|rank| **rank > 0).count();
        return Sketch::from_registers(&registers).filter(|_| set >= DENSE);
    }
    let mut next = 0;
    for _ in 0..count {
        let place = fields.u16().map(usize::from).filter(|place| *place >= next)?;
        *registers.get_mut(place)? = fields.u8().filter(|rank| *rank > 0)?;
        next = place + 1;
    }
    Sketch::from_registers(&registers).filter(|_| usize::from(count) < DENSE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::clients::CODES;
    use crate::stats::sketch::RANK_MAX;

    /// Of every list the longest.
    fn fullest() -> Ledger {
        let mut clients = Clients::default();
        for place in 0..CODES as u16 {
            clients.add(Code::at(place).unwrap(), 1 + u64::from(place));
        }
        let addresses = Sketch::from_registers(&[RANK_MAX; REGISTERS]).unwrap();
        let figures = Figures::from_words([u64::MAX; Figures::WORDS]);
        let day = |number| {
            let (clients, addresses) = (clients.clone(), addresses.clone());
            Day { number, hours: [figures; 24], clients, addresses }
        };
        Ledger {
            key: [1, 2],
            since: 3,
            yesterday: day(99),
            today: day(100),
            past: (0..PAST_DAYS_MAX as u32)
                .map(|number| PastDay { number, announces: 9 })
                .collect(),
            before: Tally { figures, clients: clients.clone(), addresses: addresses.clone() },
        }
    }

    fn encoded(ledger: &Ledger) -> Vec<u8> {
        let mut out = Vec::new();
        encode(ledger, &mut out);
        out
    }

    #[test]
    fn empty_ledger_is_small_and_comes_back() {
        let ledger = Ledger::new([5, 6], 1_800_000_000);
        let bytes = encoded(&ledger);
        assert_eq!(bytes.len(), 123);
        assert_eq!(decode(&bytes), Some(ledger));
    }

    #[test]
    fn fullest_ledger_fits_and_keeps_the_most_frequent_clients() {
        let bytes = encoded(&fullest());
        assert_eq!(bytes.len(), PAYLOAD_MAX);
        let again = decode(&bytes).unwrap();
        assert_eq!(again.today.clients.each().count(), CLIENTS_MAX);
        assert_eq!(
            again.today.clients.top(1),
            (vec![fullest().today.clients.top(1).0[0]], {
                let kept = CODES as u64 - 1_000 + 1..=CODES as u64;
                kept.sum::<u64>() - (CODES as u64 - 1)
            })
        );
        assert_eq!(again.today.hours, fullest().today.hours);
        assert_eq!(again.before.addresses, fullest().before.addresses);
        assert_eq!(encoded(&again), bytes);
    }

    #[test]
    fn what_is_cut_short_or_out_of_order_is_refused() {
        let mut ledger = Ledger::new([5, 6], 1_800_000_000);
        ledger.today.hours[3].bytes_sent = 1;
        ledger.today.hours[4].bytes_sent = 1;
        ledger.today.clients.add(Code::at(7).unwrap(), 1);
        ledger.past.push_back(PastDay { number: 5, announces: 1 });
        let bytes = encoded(&ledger);
        assert_eq!(decode(&bytes), Some(ledger));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_none(), "{length}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), None);
        let hours = 16 + 8 + SUMS + 2 + 2 + 4 + (1 + 2 + 2); // where those of today begin
        assert_eq!((bytes[hours], bytes[hours + 1]), (2, 3));
        for (place, value) in [
            (hours + 1, 4),          // the same hour twice
            (hours + 1, 24),         // no such hour
            (hours + 1 + 7 * 8, 0),  // an hour in which nothing came
            (hours, 1),              // one hour too few
            (bytes.len() - 12, 255), // a past day that is to come
            (bytes.len() - 13, 30),  // more past days than are kept
        ] {
            let mut wrong = bytes.clone();
            wrong[place] = value;
            assert!(decode(&wrong).is_none(), "{value} at {place}");
        }
    }
}
