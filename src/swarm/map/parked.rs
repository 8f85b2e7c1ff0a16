//! A thread that is stopped anywhere stops nobody: shown by stopping one, again and again, in the
//! middle of whatever it does, while others must go on: in one large swarm, and among many small
//! ones, so that the tables of the index are replaced too.

#![allow(unsafe_code)] // a signal is what stops a thread at any instruction

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::clock::Now;
use crate::config;
use crate::protocol::announce::{Peers, Role};
use crate::protocol::ids::{InfoHash, PeerId};
use crate::swarm::{Arrival, Swarms, Want};

/// Times that a thread is stopped.
const PARKS: u32 = 300;
/// Operations that each other thread must do meanwhile.
const OPERATIONS: u64 = 3_000;
/// Peers of the one swarm, so many that its table is replaced whole and by segments.
const PEERS: u32 = 6_000;

static IS_PARKED: AtomicBool = AtomicBool::new(false);
static MAY_GO_ON: AtomicBool = AtomicBool::new(false);

thread_local! {
    static IS_ALLOCATING: Cell<bool> = const { Cell::new(false) };
}

/// The allocator of all tests. It knows who is inside it, since a thread that is stopped there may
/// hold a lock of the allocator's own, which is none of ours.
struct Marking;

#[global_allocator]
static ALLOCATOR: Marking = Marking;

// Safety: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Marking {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // Safety: as the caller promises.
        marked(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // Safety: as the caller promises.
        marked(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, base: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Safety: as the caller promises.
        marked(|| unsafe { System.realloc(base, layout, size) })
    }

    unsafe fn dealloc(&self, base: *mut u8, layout: Layout) {
        // Safety: as the caller promises.
        marked(|| unsafe { System.dealloc(base, layout) });
    }
}

fn marked<R>(work: impl FnOnce() -> R) -> R {
    let mark = |is: bool| IS_ALLOCATING.try_with(|it| it.set(is)).is_ok();
    mark(true);
    let done = work();
    mark(false);
    done
}

/// Stops the thread that it interrupts until [`MAY_GO_ON`], unless that is inside the allocator.
extern "C" fn park(_signal: libc::c_int) {
    if IS_ALLOCATING.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    IS_PARKED.store(true, Ordering::SeqCst);
    while !MAY_GO_ON.load(Ordering::SeqCst) {
        // Safety: it may be called in a signal handler, and takes nothing.
        unsafe { libc::sched_yield() };
    }
    IS_PARKED.store(false, Ordering::SeqCst);
}

/// Comes and goes until `is_done`, in one swarm mostly, and counts what it did.
fn work(swarms: &Swarms, seed: u64, is_done: &AtomicBool, count: &AtomicU64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut reply, mut most) = (Peers::with_capacity(64), 1);
    while !is_done.load(Ordering::Relaxed) {
        if rng.u32(..4_000) == 0 {
            most = rng.u32(1..PEERS); // grow from here on, or shrink
        }
        let number = rng.u32(..PEERS);
        let mut name = [7; 20];
        if rng.u32(..4) == 0 {
            name[..4].copy_from_slice(&number.to_be_bytes()); // a swarm of its own
        }
        let arrival = Arrival {
            info_hash: InfoHash(name),
            peer: SocketAddr::from((number.to_be_bytes(), 6881)),
            peer_id: PeerId([number as u8; 20]),
            role: if rng.bool() { Role::Leecher } else { Role::Seeder },
            completed: rng.bool(),
        };
        if number < most {
            let want = Want { peers: 30, ..Want::default() };
            let taken = swarms.announce(Now::from_secs(9), &arrival, want, &mut rng, &mut reply);
            assert!(taken.is_ok(), "no cap is in reach");
        } else {
            swarms.stop(&arrival.info_hash, arrival.peer, &arrival.peer_id);
        }
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn thread_that_is_stopped_anywhere_stops_nobody_stress() {
    // Safety: the handler does nothing but what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = park as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
    for peer_ids in [false, true] {
        let config = config::Swarm { peer_ids, ..config::Swarm::default() };
        let (swarms, is_done) = (&Swarms::new(&config), &AtomicBool::new(false));
        let counts = &[(); 3].map(|()| AtomicU64::new(0));
        std::thread::scope(|scope| {
            let (own, handle) = std::sync::mpsc::channel();
            let [count, others @ ..] = counts;
            scope.spawn(move || {
                // Safety: it takes nothing.
                own.send(unsafe { libc::pthread_self() }).unwrap();
                work(swarms, 1, is_done, count);
            });
            for (seed, count) in (2..).zip(others) {
                scope.spawn(move || work(swarms, seed, is_done, count));
            }
            let victim = handle.recv().unwrap();
            for _ in 0..PARKS {
                stop_for_a_while(victim, others);
            }
            is_done.store(true, Ordering::Relaxed);
        });
    }
}

fn stop_for_a_while(victim: libc::pthread_t, others: &[AtomicU64]) {
    MAY_GO_ON.store(false, Ordering::SeqCst);
    let start = Instant::now();
    let is_late = || start.elapsed() > Duration::from_secs(20);
    while !IS_PARKED.load(Ordering::SeqCst) {
        // Safety: the thread ends after all of this.
        assert_eq!(unsafe { libc::pthread_kill(victim, libc::SIGUSR1) }, 0);
        std::thread::sleep(Duration::from_micros(300));
        assert!(!is_late(), "it cannot be stopped");
    }
    let before: Vec<u64> = others.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let is_behind =
        |(count, before): (&AtomicU64, &u64)| count.load(Ordering::Relaxed) < before + OPERATIONS;
    while others.iter().zip(&before).any(is_behind) {
        assert!(!is_late(), "a thread waits for one that is stopped");
        std::thread::sleep(Duration::from_micros(300));
    }
    MAY_GO_ON.store(true, Ordering::SeqCst);
    while IS_PARKED.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_micros(100));
    }
}
