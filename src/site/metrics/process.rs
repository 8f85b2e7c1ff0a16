//! What the kernel says of this process, from `/proc/self`. Nothing is said of what it does not
//! tell.

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// What it takes of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Bytes of memory in use.
    pub resident_bytes: Option<u64>,
    /// Bytes of address space.
    pub virtual_bytes: Option<u64>,
    /// Seconds of processor time, of all threads.
    pub cpu_seconds: Option<f64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
    /// How many descriptors it may have open; `None` where there is no limit.
    pub descriptors_max: Option<u64>,
}

impl Process {
    /// Looks.
    pub fn read() -> Process {
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let descriptors = fs::read_dir("/proc/self/fd");
        Process {
            // The folder itself is open while it is counted.
            descriptors: descriptors.ok().map(|entries| entries.count().saturating_sub(1) as u64),
            descriptors_max: getrlimit(Resource::Nofile).current,
            ..Process::from_stat(&stat, page_size() as u64, clock_ticks_per_second())
        }
    }

    /// Reads the line of `/proc/self/stat` (proc_pid_stat(5)); its fields are counted from 1 there.
    fn from_stat(line: &str, page_size: u64, ticks_a_second: u64) -> Process {
        // The second field is a name in parentheses, in which there may be anything.
        let rest = line.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14).zip(field(15)).map(|(user, system)| user + system);
        Process {
            cpu_seconds: ticks.map(|ticks| ticks as f64 / ticks_a_second as f64),
            threads: field(20),
            virtual_bytes: field(23),
            resident_bytes: field(24).map(|pages| pages * page_size),
            ..Process::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_the_kernel_is_read_whatever_the_name() {
        let line = "7 (a) b ) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 3 18 19 4096 2 22";
        let process = Process::from_stat(line, 4096, 100);
        assert_eq!(process.cpu_seconds, Some(3.0));
        assert_eq!((process.threads, process.virtual_bytes), (Some(3), Some(4096)));
        assert_eq!(process.resident_bytes, Some(8192));
        assert_eq!(Process::from_stat("", 4096, 100), Process::default());
    }

    #[test]
    fn this_process_is_alive() {
        let process = Process::read();
        assert!(process.resident_bytes.unwrap() > 1 << 20, "{process:?}");
        assert!(process.virtual_bytes > process.resident_bytes);
        assert!(process.threads.unwrap() >= 1 && process.descriptors.unwrap() >= 3);
    }
}
