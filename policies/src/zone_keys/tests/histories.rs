//! Random histories of a zone, its servers, its parent and its owner, judged by resolvers that cache for as long as they may.
//!
//! The judge knows nothing of how decisions are taken: it writes down from when to when each server had what, and then looks
//! at every DS set, DNSKEY set and signature whose times in caches meet. Whatever a resolver can hold together must validate.
//!
//! That it is sharp was checked by taking each wait away in turn (`safety.rs`, `steps.rs`). It fails without the DNSKEY TTL, the zone's
//! TTL, the DS TTL, the propagation of the zone, and that of the parent.

use proptest::prelude::*;

use super::*;

/// What happens next in a history.
#[derive(Clone, Debug)]
enum Event {
    /// Nothing for a while.
    Quiet,
    /// The owner wants other keys.
    Layout(Layout),
    /// The owner wants all keys replaced.
    Roll,
    /// The owner wants no signatures, or wants them again.
    Toggle,
    /// The owner changes TTLs.
    Ttls(u64, u64),
    /// The parent reads CDS, as fresh as the cache it reads through, and takes it over; its second server follows later.
    Poll { age: u64, lag: u64 },
    /// The host looks at the parent: at the first server, the second, or both.
    Look { servers: u8 },
}

/// One thing that happens, some time after the one before; a version published then reaches the nodes and secondaries this late.
#[derive(Clone, Debug)]
struct Step {
    after: u64,
    event: Event,
    node_lags: [u64; 2],
    /// In percent of what the policy allows.
    secondary_lag: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seconds = prop_oneof![60..7_200_u64, 3_600..172_800_u64, 86_400..2_000_000_u64];
    let lag = prop_oneof![4 => 0..5_u64, 1 => 0..50_000_u64];
    let event = prop_oneof![
        2 => Just(Event::Quiet),
        1 => prop_oneof![Just(Layout::Combined), Just(Layout::Split)].prop_map(Event::Layout),
        2 => Just(Event::Roll),
        1 => Just(Event::Toggle),
        1 => (60..100_000_u64, 60..100_000_u64).prop_map(|(zone, keys)| Event::Ttls(zone, keys)),
        6 => (0..100_000_u64, 0..3_600_u64).prop_map(|(age, lag)| Event::Poll { age, lag }),
        6 => (0..3_u8).prop_map(|servers| Event::Look { servers }),
    ];
    let step = (seconds, event, [lag.clone(), lag], 0..=100_u64)
        .prop_map(|(after, event, node_lags, secondary_lag)| Step { after, event, node_lags, secondary_lag });
    prop::collection::vec(step, 1..60)
}

/// Something that a server had, and for how long it may be cached.
#[derive(Clone, Debug)]
struct Served<T> {
    what: T,
    from: u64,
    /// None while it is there.
    to: Option<u64>,
    ttl: u64,
}

impl<T> Served<T> {
    fn meets<U>(&self, other: &Served<U>) -> bool {
        let ends = |to: Option<u64>, ttl: u64| to.map_or(u64::MAX, |to| to + ttl);
        self.from <= ends(other.to, other.ttl) && other.from <= ends(self.to, self.ttl)
    }
}

/// The world of one zone, in seconds.
struct World {
    bench: Bench,
    ttls: (u64, u64),
    ds_ttl: u64,
    now: u64,
    /// When each version of the zone reaches each server, in order of time: node, node, secondary.
    arrivals: [Vec<(u64, Version)>; 3],
    /// The DS set of each server of the parent.
    parent: [Vec<(u64, BTreeSet<KeyId>)>; 2],
    n_rolls: u32,
    roll: String,
    signed: Option<Policy>,
}

impl World {
    fn new(propagation: u64, ds_ttl: u64) -> Self {
        let mut bench = Bench::new(Layout::Combined);
        let signed = bench.policy.take().map(|policy| Policy {
            propagation: Duration::from_secs(propagation),
            zone_key_lifetime: Some(30 * DAY),
            ..policy
        });
        bench.policy = signed.clone();
        let unsigned = Version {
            keys: BTreeMap::new(),
            wish: Wish::Silent,
            zone_ttl: HOUR,
            keys_ttl: HOUR,
            confirmed: None,
        };
        Self {
            bench,
            ttls: (3_600, 3_600),
            ds_ttl,
            now: 1_000_000,
            arrivals: [(); 3].map(|()| vec![(0, unsigned.clone())]),
            parent: [(); 2].map(|()| vec![(0, BTreeSet::new())]),
            n_rolls: 0,
            roll: String::new(),
            signed,
        }
    }

    fn run(&mut self, step: &Step) {
        let until = self.now + step.after;
        loop {
            let again = self.decide(step);
            match again.filter(|again| *again < until) {
                Some(again) => self.now = again.max(self.now + 1),
                None => break,
            }
        }
        self.now = until;
        self.happen(&step.event);
        self.decide(step);
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Quiet => {}
            Event::Layout(layout) => {
                for policy in [&mut self.bench.policy, &mut self.signed].into_iter().flatten() {
                    policy.layout = *layout;
                }
            }
            Event::Roll => {
                self.n_rolls += 1;
                self.roll = self.n_rolls.to_string();
            }
            Event::Toggle => {
                self.bench.policy = if self.bench.policy.is_some() { None } else { self.signed.clone() };
            }
            Event::Ttls(zone, keys) => self.ttls = (*zone, *keys),
            Event::Poll { age, lag } => self.poll(*age, *lag),
            Event::Look { servers } => {
                let (at, now) = (Timestamp::from_seconds(self.now as i64), self.now);
                let set = |server: usize| (held(&self.parent[server], now).clone(), false);
                let sets = match servers {
                    0 => vec![set(0)],
                    1 => vec![set(1)],
                    _ if set(0) == set(1) => vec![set(0)],
                    _ => vec![set(0), set(1)],
                };
                self.bench.seen = Some(Seen { sets, ttl: Duration::from_secs(self.ds_ttl), at });
            }
        }
    }

    fn poll(&mut self, age: u64, lag: u64) {
        let ttl = held(&self.arrivals[2], self.now).keys_ttl.as_secs();
        let read = held(&self.arrivals[2], self.now - age.min(ttl));
        let wanted = match &read.wish {
            Wish::Silent => return,
            Wish::Trust(keys) => keys.clone(),
            Wish::Delete => BTreeSet::new(),
        };
        let later = self.parent[1].last().map_or(0, |(at, _)| *at).max(self.now + lag);
        self.parent[0].push((self.now, wanted.clone()));
        self.parent[1].push((later, wanted));
    }

    /// Lets the host decide and publish; gives when it wants to look again.
    fn decide(&mut self, step: &Step) -> Option<u64> {
        let mut fresh = Vec::new();
        loop {
            let last_nodes =
                self.arrivals[..2].iter().filter_map(|node| node.last()).map(|(at, _)| *at).max();
            let served = last_nodes.filter(|at| *at <= self.now);
            let plan = plan(&Request {
                policy: self.bench.policy.as_ref(),
                state: &self.bench.state,
                ttls: Ttls { zone: Duration::from_secs(self.ttls.0), keys: Duration::from_secs(self.ttls.1) },
                served: served.map(|_| Timestamp::from_seconds(self.now as i64)),
                seen: self.bench.seen.as_ref(),
                roll: &self.roll,
                fresh: &fresh,
                now: Timestamp::from_seconds(self.now as i64),
            });
            for role in &plan.create {
                self.bench.n_keys = self.bench.n_keys.wrapping_add(1);
                fresh.push((*role, id(self.bench.n_keys)));
            }
            if !plan.create.is_empty() {
                continue;
            }
            self.bench.state = plan.state.clone();
            self.publish(step);
            let waits_for_nodes = last_nodes.filter(|at| *at > self.now);
            // Something may be cached until its end, and is gone a second later.
            let ends = super::super::safety::ends(&plan.state, Timestamp::from_seconds(self.now as i64));
            let next_end = ends.first().map(|end| end.as_seconds() as u64 + 1);
            let again = next_end.into_iter().chain(waits_for_nodes).min();
            self.bench.plan = Some(plan);
            return again;
        }
    }

    /// Sends what is decided on its way, unless it is on its way already.
    fn publish(&mut self, step: &Step) {
        let Some(current) = self.bench.state.current().cloned() else { return };
        let sent = &self.arrivals[0].last().expect("it begins unsigned").1;
        let same = |a: &Version, b: &Version| (&a.keys, &a.wish) == (&b.keys, &b.wish);
        if same(sent, &current) && (sent.zone_ttl, sent.keys_ttl) == (current.zone_ttl, current.keys_ttl) {
            return;
        }
        let is_step = !same(sent, &current);
        let lags = if is_step { step.node_lags } else { [0; 2] };
        let mut slowest = 0;
        for (node, lag) in self.arrivals[..2].iter_mut().zip(lags) {
            let at = node.last().map_or(0, |(at, _)| *at).max(self.now + lag);
            node.push((at, current.clone()));
            slowest = slowest.max(at);
        }
        let allowed = self.bench.state.propagation.as_secs() * step.secondary_lag / 100;
        let at = self.arrivals[2].last().map_or(0, |(at, _)| *at).max(slowest + allowed);
        self.arrivals[2].push((at, current));
    }

    /// Every moment at which a resolver may fail.
    fn failures(&self) -> Vec<String> {
        let of_servers = |ttl: fn(&Version) -> Duration| -> Vec<Served<&Version>> {
            self.arrivals.iter().flat_map(|server| times(server, |version| ttl(version).as_secs())).collect()
        };
        let (keys, zones) = (of_servers(|version| version.keys_ttl), of_servers(|version| version.zone_ttl));
        let parents: Vec<_> = self.parent.iter().flat_map(|server| times(server, |_| self.ds_ttl)).collect();
        let mut failures = Vec::new();
        for trusted in parents.iter().filter(|trusted| !trusted.what.is_empty()) {
            for keys in keys.iter().filter(|keys| keys.meets(trusted)) {
                let enters = trusted
                    .what
                    .iter()
                    .any(|id| keys.what.keys.get(id).is_some_and(|signs| signs.signs_keys()));
                if !enters {
                    failures.push(format!("no way in: {trusted:?}\n{keys:?}"));
                }
                for zone in zones.iter().filter(|zone| zone.meets(keys) && zone.meets(trusted)) {
                    let mut signers = zone.what.keys.iter().filter(|(_, signs)| signs.signs_zone());
                    if !signers.any(|(id, _)| keys.what.keys.contains_key(id)) {
                        failures.push(format!("no key for a signature: {trusted:?}\n{keys:?}\n{zone:?}"));
                    }
                }
            }
        }
        failures
    }
}

/// What was there at a time.
fn held<T>(arrivals: &[(u64, T)], at: u64) -> &T {
    let there = arrivals.iter().rev().find(|(since, _)| *since <= at);
    &there.unwrap_or(&arrivals[0]).1
}

/// From when to when each thing was there.
fn times<T>(arrivals: &[(u64, T)], ttl: impl Fn(&T) -> u64) -> impl Iterator<Item = Served<&T>> {
    arrivals.iter().enumerate().map(move |(place, (from, what))| Served {
        what,
        from: *from,
        to: arrivals.get(place + 1).map(|(to, _)| *to),
        ttl: ttl(what),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_history_has_a_moment_at_which_a_resolver_fails(
        steps in steps(), propagation in 0..100_000_u64, ds_ttl in 60..172_800_u64,
    ) {
        let mut world = World::new(propagation, ds_ttl);
        for step in &steps {
            world.run(step);
            prop_assert!(world.bench.state.keys.len() <= KEYS_MAX);
            prop_assert!(world.bench.state.versions.len() < 32, "{:?}", world.bench.state.versions);
        }
        let failures = world.failures();
        prop_assert!(failures.is_empty(), "{} failures, the first: {}", failures.len(), failures[0]);
        // Left in peace with a parent that does its part, everybody gets what they wanted.
        world.bench.policy = world.signed.clone().map(|policy| Policy { zone_key_lifetime: None, ..policy });
        for _ in 0..120 {
            for event in [Event::Poll { age: 0, lag: 60 }, Event::Quiet, Event::Look { servers: 2 }] {
                world.run(&Step { after: 28_800, event, node_lags: [1; 2], secondary_lag: 50 });
            }
        }
        let plan = world.bench.plan.as_ref().expect("it was decided");
        prop_assert_eq!(&plan.wait, &None, "{:?}", plan.state);
        prop_assert!(plan.state.keys.iter().all(|key| key.retired.is_none()), "{:?}", plan.state.keys);
        prop_assert!(world.failures().is_empty());
    }
}
