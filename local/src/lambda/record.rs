//! What a function did so far: counts, times, its last error and its last log lines.

use std::collections::VecDeque;
use std::time::Duration;

use super::FunctionError;

const TIMES_KEPT: usize = 200;
const LINES_KEPT: usize = 200;

/// A function's record since the stack started.
#[derive(Default)]
pub struct Record {
    /// Invocations for which a process was started.
    pub cold: u64,
    /// Invocations of a process that was there.
    pub warm: u64,
    /// Invocations that failed.
    pub failed: u64,
    /// Invocations refused for want of concurrency.
    pub throttled: u64,
    /// The last failure, in words.
    pub last_error: Option<String>,
    cold_times: VecDeque<Duration>,
    warm_times: VecDeque<Duration>,
    start_times: VecDeque<Duration>,
    lines: VecDeque<String>,
    processes: u64,
}

impl Record {
    pub(super) fn next_number(&mut self) -> u64 {
        self.processes += 1;
        self.processes
    }

    pub(super) fn started(&mut self, took: Duration) {
        keep(&mut self.start_times, took, TIMES_KEPT);
    }

    pub(super) fn finished(&mut self, cold: bool, took: Duration, error: Option<&FunctionError>) {
        if cold {
            self.cold += 1;
            keep(&mut self.cold_times, took, TIMES_KEPT);
        } else {
            self.warm += 1;
            keep(&mut self.warm_times, took, TIMES_KEPT);
        }
        if let Some(error) = error {
            self.failed += 1;
            self.last_error = Some(format!("{}: {}", error.kind, error.message));
        }
    }

    pub(super) fn line(&mut self, line: String) {
        keep(&mut self.lines, line, LINES_KEPT);
    }

    /// The last log lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The median time of invocations that started a process, and of those that did not.
    #[must_use]
    pub fn medians(&self) -> (Option<Duration>, Option<Duration>) {
        (median(&self.cold_times), median(&self.warm_times))
    }

    /// The median time from starting a process to its first request for work.
    #[must_use]
    pub fn start_median(&self) -> Option<Duration> {
        median(&self.start_times)
    }
}

fn keep<T>(queue: &mut VecDeque<T>, item: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(item);
}

fn median(times: &VecDeque<Duration>) -> Option<Duration> {
    let mut sorted: Vec<_> = times.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}
