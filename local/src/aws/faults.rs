//! Faults on order: refusals, throttling, lost and late answers, doubled calls, and death of the calling process.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::answer::AwsError;
use super::service::Service;

/// Kills the process that uses an access key. It returns when the process is dead.
pub type Killer = Arc<dyn Fn(&str) + Send + Sync>;

/// On which side of a call the caller dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the call has any effect.
    Before,
    /// After the effect, before the caller hears of it.
    After,
}

/// What happens to a call instead of, or besides, what it asked for.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    Fail(u16, String),
    Throttle,
    LoseAnswer,
    Duplicate,
    Delay(Duration),
    Hold(Held),
}

/// A call whose answer is kept back until a test lets it go: of two at once, the test says which is the slow one.
#[derive(Debug, Clone, Default)]
pub struct Held {
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct Gate {
    reached: Notify,
    open: Notify,
}

impl Held {
    /// Waits until the call has had its effect and its answer is kept back.
    pub async fn reached(&self) {
        self.gate.reached.notified().await;
    }

    /// Lets the answer go.
    pub fn let_go(&self) {
        self.gate.open.notify_one();
    }

    /// The answer waits here.
    pub(crate) async fn wait(&self) {
        self.gate.reached.notify_one();
        self.gate.open.notified().await;
    }
}

/// The faults that a test has ordered.
#[derive(Default)]
pub struct Faults {
    orders: Mutex<Orders>,
}

#[derive(Default)]
struct Orders {
    rules: Vec<Rule>,
    kills: Vec<Kill>,
    killer: Option<Killer>,
}

struct Rule {
    target: Target,
    skip: u64,
    left: u64,
    fault: Fault,
}

struct Kill {
    target: Target,
    /// The call to die at: 1 is the next one.
    countdown: u64,
    when: When,
}

#[derive(Clone)]
struct Target {
    function: String,
    service: String,
    operation: String,
}

impl Target {
    fn hits(&self, function: &str, service: &str, operation: &str) -> bool {
        let fits = |wanted: &str, actual: &str| wanted == "*" || wanted == actual;
        fits(&self.function, function) && fits(&self.service, service) && fits(&self.operation, operation)
    }
}

/// What a call meets.
#[derive(Default)]
pub(crate) struct Met {
    pub(crate) fault: Option<Fault>,
    pub(crate) kill: Option<(When, Killer)>,
}

/// A fault being ordered; `*` stands for any function, service or operation.
pub struct Order<'a> {
    faults: &'a Faults,
    target: Target,
    skip: u64,
    times: u64,
}

impl Faults {
    /// Orders a fault for calls of a function (`verb_noun`) to a service's operation; by default for the next one.
    #[must_use]
    pub fn on(&self, function: &str, service: &str, operation: &str) -> Order<'_> {
        let target = Target {
            function: function.to_owned(),
            service: service.to_owned(),
            operation: operation.to_owned(),
        };
        Order { faults: self, target, skip: 0, times: 1 }
    }

    /// Kills the function's process at the `nth` AWS call from now (1 is the next), before or after its effect.
    pub fn kill(&self, function: &str, nth: u64, when: When) {
        self.on(function, "*", "*").kill_at(nth, when);
    }

    /// How many ordered kills have not happened: a test that counts calls upwards ends when one is left.
    #[must_use]
    pub fn kills_left(&self) -> usize {
        self.lock().kills.len()
    }

    /// Forgets all orders.
    pub fn clear(&self) {
        let mut orders = self.lock();
        orders.rules.clear();
        orders.kills.clear();
    }

    /// Sets who kills.
    pub fn set_killer(&self, killer: Killer) {
        self.lock().killer = Some(killer);
    }

    /// Takes what this call is to meet, counting it.
    pub(crate) fn meet(&self, function: &str, service: &str, operation: &str) -> Met {
        let mut orders = self.lock();
        if orders.rules.is_empty() && orders.kills.is_empty() {
            return Met::default();
        }
        let mut met = Met::default();
        for rule in &mut orders.rules {
            if met.fault.is_some() || !rule.target.hits(function, service, operation) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if rule.left > 0 {
                rule.left -= 1;
                met.fault = Some(rule.fault.clone());
            }
        }
        orders.rules.retain(|rule| rule.left > 0);
        let mut due = None;
        for kill in &mut orders.kills {
            if kill.target.hits(function, service, operation) {
                kill.countdown = kill.countdown.saturating_sub(1);
                if kill.countdown == 0 {
                    due = Some(kill.when);
                }
            }
        }
        orders.kills.retain(|kill| kill.countdown > 0);
        met.kill = due.zip(orders.killer.clone());
        met
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order<'_> {
    /// For so many calls.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// For every call until [`Faults::clear`].
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Lets so many calls pass first.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// The call has no effect and is answered with this status and code.
    pub fn fail(self, status: u16, code: &str) {
        self.set(Fault::Fail(status, code.to_owned()));
    }

    /// The call has no effect and is answered as the service answers one who calls too often.
    pub fn throttle(self) {
        self.set(Fault::Throttle);
    }

    /// The call has its effect, but the caller is told 500: it cannot know.
    pub fn lose_answer(self) {
        self.set(Fault::LoseAnswer);
    }

    /// The call has its effect twice, as when a network layer repeats it.
    pub fn duplicate(self) {
        self.set(Fault::Duplicate);
    }

    /// The answer comes late, by real time.
    pub fn delay(self, span: Duration) {
        self.set(Fault::Delay(span));
    }

    /// The call has its effect now, and its answer comes when the test lets it go.
    #[must_use]
    pub fn hold(self) -> Held {
        let held = Held::default();
        self.set(Fault::Hold(held.clone()));
        held
    }

    /// The caller's process dies at the `nth` such call from now.
    pub fn kill_at(self, nth: u64, when: When) {
        let kill = Kill { target: self.target, countdown: nth.max(1), when };
        self.faults.lock().kills.push(kill);
    }

    fn set(self, fault: Fault) {
        let rule = Rule { target: self.target, skip: self.skip, left: self.times, fault };
        self.faults.lock().rules.push(rule);
    }
}

impl Fault {
    /// The refusal to answer with, if this fault replaces the call.
    pub(super) fn refusal(&self, service: Service) -> Option<AwsError> {
        match self {
            Self::Fail(status, code) => Some(AwsError::new(*status, code.clone(), "Ordered by a test.")),
            Self::Throttle => {
                let (status, code) = service.throttled();
                Some(AwsError::new(status, code, "Rate exceeded"))
            }
            Self::LoseAnswer | Self::Duplicate | Self::Delay(_) | Self::Hold(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_skips_counts_and_ends() {
        let faults = Faults::default();
        faults.on("run_operation", "ec2", "RunInstances").after(1).times(2).throttle();
        let met = || faults.meet("run_operation", "ec2", "RunInstances").fault.is_some();
        assert!(faults.meet("other", "ec2", "RunInstances").fault.is_none());
        assert_eq!([met(), met(), met(), met()], [false, true, true, false]);
    }

    #[tokio::test]
    async fn an_answer_is_kept_back_until_it_is_let_go() {
        let faults = Faults::default();
        let held = faults.on("get_site", "dynamodb", "GetItem").hold();
        let Some(Fault::Hold(fault)) = faults.meet("get_site", "dynamodb", "GetItem").fault else {
            panic!("the call met nothing");
        };
        let mut order = Vec::new();
        let waiting = async {
            fault.wait().await;
            "let go"
        };
        let (last, ()) = tokio::join!(waiting, async {
            held.reached().await;
            order.push("reached");
            held.let_go();
        });
        order.push(last);
        assert_eq!(order, ["reached", "let go"]);
    }

    #[test]
    fn a_kill_counts_every_call_of_its_function() {
        let faults = Faults::default();
        faults.set_killer(Arc::new(|_| {}));
        faults.kill("run_operation", 2, When::After);
        assert!(faults.meet("run_operation", "s3", "CreateBucket").kill.is_none());
        assert!(faults.meet("check_hosts", "s3", "CreateBucket").kill.is_none());
        let kill = faults.meet("run_operation", "route53", "GetChange").kill;
        assert_eq!(kill.map(|(when, _)| when), Some(When::After));
        assert_eq!(faults.kills_left(), 0);
    }
}
