//! Pools: how many hosts there must be, and which of them a site goes to.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::accounts::Mode;
use crate::{Event, OperationId, Refusal, SiteId, Timestamp};

/// How long a refusal keeps the pool from launching hosts in reserve.
const BLOCKED_FOR: Duration = Duration::from_secs(15 * 60);

/// Hosts of one class in one region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pool {
    /// `<region>/<class>`.
    pub name: String,
    /// Replaces the deployment's settings, when an operator wants others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<PoolSettings>,
    /// Why the last launch was refused; gone with the next one that is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Blocked>,
    /// When the pool must be looked at again; absent when it rests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<Timestamp>,
}

/// How a pool grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolSettings {
    /// The room of a host.
    pub units_per_host: u64,
    /// The most hosts, coming ones included.
    pub max_hosts: u64,
    /// Units that shall be free beyond what is waited for.
    pub target_free: u64,
    /// What is launched: the first option that has capacity.
    pub options: Vec<LaunchOption>,
}

/// An instance type in a subnet, and so in an availability zone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LaunchOption {
    /// Such as `t4g.medium`.
    pub instance_type: String,
    /// Where; absent for the account's default subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// How many units it holds; absent where every option of the pool holds a whole host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub units: Option<u64>,
}

impl PoolSettings {
    /// Whether a pool of this mode can grow so.
    ///
    /// # Errors
    /// 422 with the pointer of what cannot be.
    pub fn check(&self, mode: Mode) -> Result<(), Refusal> {
        if mode == Mode::Shared && !(1..=1_000).contains(&self.units_per_host) {
            return Err(Refusal::invalid("/units_per_host", "must be 1 to 1000"));
        }
        if self.max_hosts > 10_000 {
            return Err(Refusal::invalid("/max_hosts", "must be at most 10000"));
        }
        if self.target_free > 10_000 {
            return Err(Refusal::invalid("/target_free", "must be at most 10000"));
        }
        if self.options.is_empty() || self.options.len() > 20 {
            return Err(Refusal::invalid("/options", "must be 1 to 20"));
        }
        for (place, option) in self.options.iter().enumerate() {
            let plain =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
            let name = &option.instance_type;
            if name.len() > 32 || !name.contains('.') || !name.bytes().all(plain) {
                let pointer = format!("/options/{place}/instance_type");
                return Err(Refusal::invalid(pointer, "is no instance type"));
            }
        }
        Ok(())
    }
}

impl LaunchOption {
    /// Whether a host of so much room fits on it.
    #[must_use]
    pub fn holds(&self, units: u64) -> bool {
        self.units.is_none_or(|held| held >= units)
    }
}

/// Why a launch was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blocked {
    /// EC2's code.
    pub code: String,
    /// What an operator does about it.
    pub remedy: String,
    /// When.
    pub at: Timestamp,
}

/// A site that waits for room. Its item exists once per site, so waiting twice counts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiter {
    /// For which pool.
    pub pool: String,
    /// Which site.
    pub site: SiteId,
    /// Which operation waits.
    pub operation: OperationId,
    /// How much room it needs.
    pub units: u64,
    /// Since when.
    pub since: Timestamp,
}

impl Pool {
    /// A pool that nobody has looked at.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), settings: None, blocked: None, next_at: None }
    }
}

impl Blocked {
    /// Whether EC2 said so only lately. Until then no host is launched that nobody waits for.
    #[must_use]
    pub fn is_recent(&self, now: Timestamp) -> bool {
        now.since(self.at) < BLOCKED_FOR
    }

    /// What the refusal of a launch asks of an operator; `None` for codes that another try may mend.
    #[must_use]
    pub fn by(code: &str, at: Timestamp) -> Option<Self> {
        let remedy = match code {
            "VcpuLimitExceeded" | "InstanceLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
                "Ask AWS for a higher EC2 quota in this region (Service Quotas), then retry the operation."
            }
            "AddressLimitExceeded" => {
                "Ask AWS for more Elastic IPs in this region (Service Quotas), then retry the operation."
            }
            "OptInRequired" | "PendingVerification" => {
                "AWS has not opened EC2 to this account yet: see the account's mails and the EC2 console, then retry the \
                 operation."
            }
            code if code == "UnauthorizedOperation" || code.starts_with("Invalid") => {
                "The deployment's image, subnet, profile or rights for hosts are wrong: mend its parameters, then retry \
                 the operation."
            }
            _ => return None,
        };
        Some(Self { code: code.to_owned(), remedy: remedy.to_owned(), at })
    }
}

/// How many hosts to launch so that every waiter fits and `target_free` units stay free.
///
/// `room` is the free room of each host that is up and the whole room of each that is coming. For waiters of one unit
/// this is `ceil((waiting + target_free - free - coming) / units_per_host)`; larger ones do not fit into crumbs, which
/// a sum would not see.
#[must_use]
pub fn hosts_wanted(waiters: &[u64], room: &[u64], settings: &PoolSettings, hosts: u64) -> u64 {
    let per_host = settings.units_per_host;
    if per_host == 0 {
        return 0;
    }
    let mut bins: Vec<u64> = room.to_vec();
    let mut waiters: Vec<u64> =
        waiters.iter().copied().filter(|units| (1..=per_host).contains(units)).collect();
    waiters.sort_unstable_by(|a, b| b.cmp(a));
    for units in waiters {
        let best = bins.iter_mut().filter(|free| **free >= units).min();
        match best {
            Some(free) => *free -= units,
            None => bins.push(per_host - units),
        }
    }
    let for_waiters = u64::try_from(bins.len() - room.len()).unwrap_or(u64::MAX);
    let left: u64 = bins.iter().sum();
    let for_reserve = settings.target_free.saturating_sub(left).div_ceil(per_host);
    (for_waiters + for_reserve).min(settings.max_hosts.saturating_sub(hosts))
}

/// The waiters of a pool of dedicated hosts for whom none is free or coming, as far as the pool may still grow.
///
/// `free` are the sites that its free and coming hosts were launched for, `hosts` is how many it has in all.
#[must_use]
pub fn without_host<'a>(
    waiters: &'a [Waiter],
    free: &[Option<SiteId>],
    settings: &PoolSettings,
    hosts: usize,
) -> Vec<&'a Waiter> {
    let most = usize::try_from(settings.max_hosts).unwrap_or(usize::MAX).saturating_sub(hosts);
    waiters.iter().filter(|waiter| !free.contains(&Some(waiter.site))).take(most).collect()
}

/// Which idle hosts may go so that `target_free` units stay free: their places in `idle`, the room of each.
///
/// `free` is the free room of all hosts that are up.
#[must_use]
pub fn hosts_spare(free: u64, idle: &[u64], target_free: u64) -> Vec<usize> {
    let mut left = free;
    let mut spare = Vec::new();
    for (place, units) in idle.iter().enumerate() {
        if left.saturating_sub(*units) >= target_free {
            left = left.saturating_sub(*units);
            spare.push(place);
        }
    }
    spare
}

/// Which of the candidates, best fit first, to try: the best at once, one of the best three after a lost race.
///
/// `dice` is any random number.
#[must_use]
pub fn pick<T>(candidates: &[T], tries: u32, dice: usize) -> Option<usize> {
    let choice = candidates.len().min(3);
    if choice == 0 { None } else { Some(if tries == 0 { 0 } else { dice % choice }) }
}

/// `hosting.capacity_wanted`: a site waits for room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityWanted {
    /// In which pool.
    pub pool: String,
    /// How much.
    pub units: u64,
}

/// `hosting.launch_refused`: EC2 launches no more hosts until an operator acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LaunchRefused {
    /// In which pool.
    pub pool: String,
    /// Why.
    pub blocked: Blocked,
}

impl Event for CapacityWanted {
    const TYPE: &'static str = "hosting.capacity_wanted";
}

impl Event for LaunchRefused {
    const TYPE: &'static str = "hosting.launch_refused";
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings(units_per_host: u64, max_hosts: u64, target_free: u64) -> PoolSettings {
        PoolSettings { units_per_host, max_hosts, target_free, options: Vec::new() }
    }

    #[test]
    fn the_101st_site_of_one_unit_wants_exactly_one_host() {
        let twenty = settings(20, 50, 0);
        assert_eq!(hosts_wanted(&[], &[0; 5], &twenty, 5), 0);
        assert_eq!(hosts_wanted(&[1], &[0; 5], &twenty, 5), 1);
        assert_eq!(hosts_wanted(&[1], &[0, 0, 0, 0, 0, 20], &twenty, 6), 0, "it is coming");
        assert_eq!(hosts_wanted(&[1; 21], &[0; 5], &twenty, 5), 2);
        assert_eq!(hosts_wanted(&[1; 21], &[0; 5], &settings(20, 6, 0), 5), 1, "the pool's most");
    }

    #[test]
    fn crumbs_are_no_room_for_a_large_site() {
        assert_eq!(hosts_wanted(&[4], &[3, 3], &settings(10, 9, 0), 2), 1);
        assert_eq!(hosts_wanted(&[11], &[], &settings(10, 9, 0), 0), 0, "no host could ever hold it");
    }

    #[test]
    fn each_who_waits_for_a_host_of_his_own_gets_one() {
        let waiter = |number| Waiter {
            pool: "eu-west-1/dedicated".to_owned(),
            site: SiteId::from_ulid(number),
            operation: OperationId::from_ulid(number),
            units: 4,
            since: Timestamp::from_secs(0),
        };
        let waiters = [waiter(1), waiter(2), waiter(3)];
        let free = [Some(SiteId::from_ulid(2)), Some(SiteId::from_ulid(9))];
        let wanted = |most| {
            let found = without_host(&waiters, &free, &settings(10, most, 0), 2);
            found.iter().map(|waiter| waiter.site.ulid()).collect::<Vec<_>>()
        };
        assert_eq!(wanted(50), [1, 3]);
        assert_eq!((wanted(3), wanted(2)), (vec![1], vec![]));
    }

    #[test]
    fn what_only_people_can_mend_blocks_the_pool() {
        let at = Timestamp::from_secs(0);
        for code in
            ["InvalidGroup.NotFound", "InvalidParameterCombination", "OptInRequired", "AddressLimitExceeded"]
        {
            assert!(Blocked::by(code, at).is_some(), "{code}");
        }
        for code in ["InsufficientInstanceCapacity", "IdempotentParameterMismatch", "RequestLimitExceeded"] {
            assert_eq!(Blocked::by(code, at), None, "{code}");
        }
    }

    #[test]
    fn idle_hosts_go_as_long_as_the_reserve_stays() {
        assert_eq!(hosts_spare(25, &[10, 10], 0), [0, 1]);
        assert_eq!(hosts_spare(25, &[10, 10], 10), [0]);
        assert_eq!(hosts_spare(25, &[60, 10], 10), [1], "the smaller one fits");
        assert!(hosts_spare(25, &[10, 10], 20).is_empty());
    }

    #[test]
    fn a_lost_race_picks_among_the_best_three() {
        assert_eq!(pick::<u8>(&[], 0, 5), None);
        assert_eq!(pick(&[1, 2, 3, 4], 0, 5), Some(0));
        assert_eq!(pick(&[1, 2, 3, 4], 1, 5), Some(2));
        assert_eq!(pick(&[1, 2], 1, 5), Some(1));
    }

    proptest! {
        /// Units of one are the formula of the specification.
        #[test]
        fn one_unit_each_is_a_plain_sum(
            waiting in 0..300_usize, room in prop::collection::vec(0..=20_u64, 0..20), target in 0..50_u64,
        ) {
            let free: u64 = room.iter().sum();
            let wanted = hosts_wanted(&vec![1; waiting], &room, &settings(20, 1_000, target), 0);
            prop_assert_eq!(wanted, (waiting as u64 + target).saturating_sub(free).div_ceil(20));
        }

        /// Once the wanted hosts are there, nothing more is wanted: a repeat launches none.
        #[test]
        fn a_repeat_wants_nothing(
            waiters in prop::collection::vec(1..=10_u64, 0..40), room in prop::collection::vec(0..=10_u64, 0..10),
            target in 0..30_u64,
        ) {
            let settings = settings(10, 1_000, target);
            let wanted = hosts_wanted(&waiters, &room, &settings, 0);
            let mut after = room;
            after.extend((0..wanted).map(|_| 10));
            prop_assert_eq!(hosts_wanted(&waiters, &after, &settings, 0), 0);
        }

        /// No host goes that would be launched again.
        #[test]
        fn what_goes_is_not_wanted_back(
            idle in prop::collection::vec(1..=10_u64, 0..10), crumbs in 0..30_u64, target in 0..50_u64,
        ) {
            let free = crumbs + idle.iter().sum::<u64>();
            let gone: u64 = hosts_spare(free, &idle, target).into_iter().map(|place| idle[place]).sum();
            let wanted = |free| hosts_wanted(&[], &[free], &settings(10, 1_000, target), 0);
            prop_assert!(wanted(free - gone) == wanted(free));
        }

        /// Never more hosts than the pool may have.
        #[test]
        fn never_over_the_most(waiters in prop::collection::vec(1..=10_u64, 0..90), hosts in 0..20_u64) {
            let wanted = hosts_wanted(&waiters, &[], &settings(10, 10, 5), hosts);
            prop_assert!(wanted == 0 || hosts + wanted <= 10);
        }
    }
}
