//! The well-known rollovers, step by step, and every history at random.

mod histories;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn id(number: u8) -> KeyId {
    KeyId([number; 8])
}

fn set(numbers: &[u8]) -> BTreeSet<KeyId> {
    numbers.iter().copied().map(id).collect()
}

/// A zone with nodes that are quick, as its host sees it.
struct Bench {
    policy: Option<Policy>,
    state: State,
    seen: Option<Seen>,
    roll: &'static str,
    n_keys: u8,
    now: Timestamp,
    plan: Option<Plan>,
}

impl Bench {
    fn new(layout: Layout) -> Self {
        let policy =
            Policy { layout, zone_key_lifetime: Some(90 * DAY), entry_key_lifetime: None, propagation: HOUR };
        let now = Timestamp::from_seconds(1_000_000);
        Self {
            policy: Some(policy),
            state: State::default(),
            seen: None,
            roll: "",
            n_keys: 0,
            now,
            plan: None,
        }
    }

    /// Decides until nothing more happens at this moment; every version is served at once.
    fn settle(&mut self) -> &Plan {
        let mut fresh = Vec::new();
        for _ in 0..10 {
            let ttls = Ttls { zone: 2 * HOUR, keys: HOUR };
            let served = Some(self.now);
            let plan = plan(&Request {
                policy: self.policy.as_ref(),
                state: &self.state,
                ttls,
                served,
                seen: self.seen.as_ref(),
                roll: self.roll,
                fresh: &fresh,
                now: self.now,
            });
            for role in &plan.create {
                self.n_keys += 1;
                fresh.push((*role, id(self.n_keys)));
            }
            let is_settled = plan.create.is_empty() && plan.state == self.state;
            self.state = plan.state.clone();
            self.plan = Some(plan);
            if is_settled {
                break;
            }
        }
        self.plan.as_ref().expect("it was decided")
    }

    fn pass(&mut self, time: Duration) -> &Plan {
        self.now = self.now + time;
        self.settle()
    }

    /// The parent is seen to trust these keys.
    fn parent_has(&mut self, numbers: &[u8]) -> &Plan {
        self.seen = Some(Seen { sets: vec![(set(numbers), false)], ttl: DAY, at: self.now });
        self.settle()
    }

    /// What is published: `1 Everything, 2 Keys; Trust 1`.
    fn says(&self) -> String {
        let current = self.state.current().expect("something is published");
        let keys: Vec<String> =
            current.keys.iter().map(|(id, signs)| format!("{} {signs:?}", id.0[0])).collect();
        let wish = match &current.wish {
            Wish::Trust(keys) => {
                format!("Trust {}", keys.iter().map(|id| id.0[0].to_string()).collect::<Vec<_>>().join(" "))
            }
            Wish::Silent | Wish::Delete => format!("{:?}", current.wish),
        };
        format!("{}; {wish}", keys.join(", "))
    }
}

#[test]
fn a_zone_is_signed_first_and_the_parent_asked_when_all_caches_know() {
    let mut bench = Bench::new(Layout::Combined);
    let start = bench.now;
    let plan = bench.settle();
    // An hour until every server has it, and two in which caches hold what was unsigned.
    assert_eq!(plan.wait, Some(Wait::Caches { until: start + 3 * HOUR }));
    assert_eq!(bench.says(), "1 Everything; Silent");
    bench.pass(3 * HOUR);
    assert_eq!(bench.says(), "1 Everything; Silent", "at the last moment something may still be cached");
    let plan = bench.pass(MINUTE);
    assert_eq!(plan.wait, Some(Wait::Parent { wanted: set(&[1]) }));
    assert_eq!(bench.says(), "1 Everything; Trust 1");
    assert_eq!(bench.parent_has(&[1]).wait, None);
}

#[test]
fn a_zone_key_is_published_before_it_signs_and_after_it_has() {
    let mut bench = Bench::new(Layout::Split);
    bench.settle();
    bench.pass(4 * HOUR);
    bench.parent_has(&[1]);
    assert_eq!(bench.says(), "1 Keys, 2 Zone; Trust 1");
    let plan = bench.pass(90 * DAY);
    let expected = plan.state.versions.last().and_then(|version| version.confirmed).unwrap() + 2 * HOUR;
    assert_eq!(plan.wait, Some(Wait::Caches { until: expected }), "propagation and the DNSKEY set's TTL");
    assert_eq!(bench.says(), "1 Keys, 2 Zone, 3 Nothing; Trust 1");
    bench.pass(2 * HOUR + MINUTE);
    assert_eq!(bench.says(), "1 Keys, 2 Nothing, 3 Zone; Trust 1");
    bench.pass(3 * HOUR);
    assert_eq!(bench.says(), "1 Keys, 2 Nothing, 3 Zone; Trust 1", "signatures by 2 may be cached");
    let plan = bench.pass(MINUTE);
    assert_eq!((plan.wait.clone(), plan.state.keys.len()), (None, 3));
    assert_eq!(bench.says(), "1 Keys, 3 Zone; Trust 1");
    bench.pass(3 * HOUR + MINUTE);
    assert_eq!(bench.state.keys.len(), 2, "the old key is forgotten: {:?}", bench.state.keys);
}

#[test]
fn a_key_that_the_parent_trusts_stays_until_the_parent_was_seen_without_it() {
    let mut bench = Bench::new(Layout::Combined);
    bench.settle();
    bench.pass(4 * HOUR);
    bench.parent_has(&[1]);
    bench.roll = "2026-11-24";
    bench.settle();
    assert_eq!(bench.says(), "1 Everything, 2 Keys; Trust 1");
    bench.pass(2 * HOUR + MINUTE);
    assert_eq!(bench.says(), "1 Keys, 2 Everything; Trust 2", "caches know the new one");
    for _ in 0..100 {
        let plan = bench.pass(DAY);
        assert_eq!(plan.wait, Some(Wait::Parent { wanted: set(&[2]) }), "a slow parent");
    }
    assert_eq!(bench.says(), "1 Keys, 2 Everything; Trust 2");
    bench.parent_has(&[1, 2]);
    bench.pass(100 * DAY);
    assert_eq!(bench.says(), "1 Keys, 2 Everything; Trust 2", "the parent may still go back to the old one");
    let plan = bench.parent_has(&[2]);
    let gone = plan.wait.clone();
    assert_eq!(gone, Some(Wait::Caches { until: bench.now + PARENT_PROPAGATION + DAY }));
    bench.pass(25 * HOUR + MINUTE);
    assert_eq!(bench.says(), "2 Everything; Trust 2");
    bench.pass(DAY);
    assert_eq!(bench.state.keys.len(), 1);
}

#[test]
fn a_zone_turns_unsigned_when_no_cache_can_trust_it_any_more() {
    let mut bench = Bench::new(Layout::Combined);
    bench.settle();
    bench.pass(4 * HOUR);
    bench.parent_has(&[1]);
    bench.policy = None;
    let plan = bench.settle();
    assert_eq!(plan.wait, Some(Wait::Parent { wanted: set(&[]) }));
    assert_eq!(bench.says(), "1 Everything; Delete");
    bench.pass(30 * DAY);
    assert_eq!(bench.says(), "1 Everything; Delete", "the parent has not done it");
    bench.parent_has(&[]);
    bench.pass(25 * HOUR);
    assert_eq!(bench.says(), "1 Everything; Delete", "caches may trust it");
    bench.pass(MINUTE);
    assert_eq!(bench.says(), "; Silent");
    assert!(!bench.state.is_over(), "signed answers may be cached: {:?}", bench.state);
    bench.pass(3 * HOUR + MINUTE);
    assert!(bench.state.is_over(), "{:?}", bench.state);
}

/// Found by the histories: a parent that read the wish before through a cache took it over after it was looked at.
#[test]
fn the_parent_counts_from_when_it_can_read_only_the_latest_wish() {
    let mut bench = Bench::new(Layout::Combined);
    bench.settle();
    bench.pass(4 * HOUR);
    assert_eq!(bench.parent_has(&[]).wait, Some(Wait::Parent { wanted: set(&[1]) }));
    bench.policy = None;
    bench.settle();
    assert_eq!(bench.says(), "1 Everything; Delete");
    bench.pass(HOUR);
    bench.parent_has(&[]);
    bench.pass(100 * DAY);
    assert_eq!(bench.says(), "1 Everything; Delete", "the other wish was in caches when the parent was seen");
    bench.parent_has(&[]);
    bench.pass(26 * HOUR);
    assert_eq!(bench.says(), "; Silent");
}

#[test]
fn who_changes_their_mind_keeps_their_keys() {
    let mut bench = Bench::new(Layout::Combined);
    bench.settle();
    bench.pass(4 * HOUR);
    bench.parent_has(&[1]);
    let policy = bench.policy.take();
    bench.settle();
    bench.policy = policy;
    bench.settle();
    assert_eq!(bench.says(), "1 Everything; Trust 1");
    assert_eq!(bench.pass(DAY).wait, None);
}

#[test]
fn a_node_that_lags_holds_every_step_up() {
    let mut bench = Bench::new(Layout::Combined);
    bench.settle();
    let published = bench.state.clone();
    let mut state = published.clone();
    state.versions.last_mut().unwrap().confirmed = None;
    let policy = bench.policy.clone();
    let plan = plan(&Request {
        policy: policy.as_ref(),
        state: &state,
        ttls: Ttls { zone: 2 * HOUR, keys: HOUR },
        served: None,
        seen: None,
        roll: "now",
        fresh: &[(Role::Combined, id(2))],
        now: bench.now + 400 * DAY,
    });
    assert_eq!(plan.wait, Some(Wait::Nodes));
    assert_eq!(plan.state.versions, state.versions);
}

#[test]
fn rolls_without_end_do_not_make_keys_without_end() {
    let mut bench = Bench::new(Layout::Split);
    bench.settle();
    bench.pass(4 * HOUR);
    bench.parent_has(&[1]);
    for roll in ["a", "b", "c", "d", "e", "f"] {
        bench.roll = roll;
        bench.pass(MINUTE);
        assert!(bench.state.keys.len() <= KEYS_MAX, "{:?}", bench.state.keys);
    }
}
