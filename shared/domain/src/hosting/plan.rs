//! What an organisation's plan says of hosting, as hosting has last heard of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::accounts::Entitlements;
use crate::accounts::entitlements::{Access, HOSTING, ProductEntitlement};

/// The newest that was heard of an organisation's plan: a site that is made a moment later must not be made by an older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HeardPlan {
    /// The entitlements' version; older ones are no news.
    pub version: u64,
    /// What it says of hosting; absent when the organisation has no plan for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosting: Option<ProductEntitlement>,
    /// Since when nothing pays for what the organisation has here; absent while something does, or it paused of its own will.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaid_since: Option<Timestamp>,
}

impl HeardPlan {
    /// What these entitlements say; `None` when something as new was heard `before`.
    #[must_use]
    pub fn news(before: Option<&Self>, plan: &Entitlements, now: Timestamp) -> Option<Self> {
        if before.is_some_and(|before| before.version >= plan.version) {
            return None;
        }
        let hosting = plan.products.get(HOSTING).cloned();
        let is_kept = hosting.as_ref().is_some_and(|plan| plan.access != Access::None || plan.paused);
        let unpaid_since = before.and_then(|before| before.unpaid_since).or(Some(now)).filter(|_| !is_kept);
        Some(Self { version: plan.version, hosting, unpaid_since })
    }

    /// The newer of what was heard and what a caller shows.
    #[must_use]
    pub fn newest(heard: Option<&Self>, shown: &Entitlements) -> Entitlements {
        match heard.filter(|heard| heard.version > shown.version) {
            Some(heard) => heard.entitlements(),
            None => shown.clone(),
        }
    }

    /// What was heard, as entitlements.
    #[must_use]
    pub fn entitlements(&self) -> Entitlements {
        let hosting = self.hosting.clone().map(|plan| (HOSTING.to_owned(), plan));
        Entitlements { version: self.version, products: hosting.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn plan(version: u64, access: Access, paused: bool) -> Entitlements {
        let mut plan = Entitlements { version, ..Entitlements::trial() };
        if let Some(hosting) = plan.products.get_mut(HOSTING) {
            (hosting.access, hosting.paused) = (access, paused);
        }
        plan
    }

    #[test]
    fn only_what_is_newer_is_news() {
        let fifth = HeardPlan::news(None, &plan(5, Access::Full, false), NOW).expect("the first is news");
        assert_eq!(fifth.unpaid_since, None);
        for version in [4, 5] {
            assert_eq!(HeardPlan::news(Some(&fifth), &plan(version, Access::None, false), NOW), None);
        }
        assert_eq!(
            HeardPlan::newest(Some(&fifth), &plan(4, Access::None, false)),
            plan(5, Access::Full, false)
        );
        assert_eq!(HeardPlan::newest(Some(&fifth), &plan(6, Access::None, false)).version, 6);
        let later = NOW + std::time::Duration::from_secs(60);
        let shut = HeardPlan::news(Some(&fifth), &plan(6, Access::None, false), NOW).expect("newer");
        let still = HeardPlan::news(Some(&shut), &plan(7, Access::None, false), later).expect("newer");
        assert_eq!(still.unpaid_since, Some(NOW), "since the first time");
        let paused = HeardPlan::news(Some(&still), &plan(8, Access::None, true), later).expect("newer");
        assert_eq!(paused.unpaid_since, None);
    }
}
